#pragma once
/// @file
/// Reads the hyperparameters that a Hugging Face checkpoint states in config.json.

#include <array>
#include <cstdint>
#include <filesystem>
#include <gpuplace/model/detail/json_fields.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/model/model_config.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

struct known_architecture {
  std::string_view class_name;
  std::string_view model_type;
  architecture family;
};
inline constexpr std::array<known_architecture, 3> known_architectures{{{"LlamaForCausalLM", "llama", architecture::llama},
                                                                        {"Qwen2ForCausalLM", "qwen2", architecture::qwen2},
                                                                        {"Qwen3ForCausalLM", "qwen3", architecture::qwen3}}};

/// Bounds that no published model comes near; products of sizes within them fit 64 bits.
inline constexpr std::int64_t most_hidden = 1 << 18, most_layers = 4096, most_heads = 4096, most_head_dim = 4096,
                              most_intermediate = 1 << 22, most_vocabulary = 1 << 26, most_positions = std::int64_t{1} << 31,
                              most_token = 0x7fffffff;

/// The class under `architectures` decides; configs without it have at least a `model_type`.
inline result<architecture> family_of(json_fields const& fields) {
  GPUPLACE_TRY(auto const model_type, fields.text_or("model_type", ""));
  auto asked = model_type;
  if (auto const* const classes = fields.find("architectures")) {
    if (!classes->is_array() || classes->empty() || !classes->front().is_string())
      return fields.refuse(errc::malformed, "architectures", "must be a list of class names");
    asked = classes->front().get<std::string>();
  }
  if (asked.empty()) return fields.refuse(errc::malformed, "architectures", "is missing");
  std::string names;
  for (auto const& known : known_architectures) {
    if (asked == known.class_name || asked == known.model_type) return known.family;
    names += (names.empty() ? "" : ", ") + std::string(known.class_name);
  }
  return fields.refuse(errc::unsupported, "architectures", "names " + asked + ", which gpuplace does not know", "known: " + names);
}

inline result<void> read_sizes(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(config.hidden, fields.whole("hidden_size", 1, most_hidden));
  GPUPLACE_TRY(config.layers, fields.whole("num_hidden_layers", 1, most_layers));
  GPUPLACE_TRY(config.heads, fields.whole("num_attention_heads", 1, most_heads));
  GPUPLACE_TRY(config.kv_heads, fields.whole_or("num_key_value_heads", config.heads, 1, most_heads));
  GPUPLACE_TRY(config.intermediate, fields.whole("intermediate_size", 1, most_intermediate));
  GPUPLACE_TRY(config.vocabulary, fields.whole("vocab_size", 1, most_vocabulary));
  GPUPLACE_TRY(config.max_positions, fields.whole("max_position_embeddings", 1, most_positions));
  if (config.heads % config.kv_heads != 0)
    return fields.refuse(
        errc::malformed, "num_attention_heads",
        "is " + std::to_string(config.heads) + ", not a multiple of 'num_key_value_heads' " + std::to_string(config.kv_heads));
  if (!fields.find("head_dim") && config.hidden % config.heads != 0)
    return fields.refuse(errc::malformed, "hidden_size",
                         "is " + std::to_string(config.hidden) + ", not a multiple of 'num_attention_heads' " +
                             std::to_string(config.heads) + ", and 'head_dim' is missing");
  GPUPLACE_TRY(config.head_dim, fields.whole_or("head_dim", config.hidden / config.heads, 1, most_head_dim));
  if (config.head_dim % 2 != 0)
    return fields.refuse(errc::malformed, "head_dim",
                         "is " + std::to_string(config.head_dim) + ": rotary positions need an even number");
  return {};
}

inline result<void> read_layers(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(auto const activation, fields.text_or("hidden_act", "silu"));
  if (activation != "silu") return fields.refuse(errc::unsupported, "hidden_act", "is " + activation, "known: silu");
  if (fields.find("quantization_config"))
    return fields.refuse(errc::unsupported, "quantization_config", "says that the weights are quantised",
                         "give the checkpoint in bf16 and quantise it with --dtype int8 or int4");
  GPUPLACE_TRY(auto const attention_bias, fields.flag_or("attention_bias", false));
  bool const qwen2 = config.family == architecture::qwen2;
  config.qkv_bias = qwen2 || attention_bias;
  config.output_bias = !qwen2 && attention_bias;
  config.qk_norm = config.family == architecture::qwen3;
  if (config.family == architecture::llama) {
    GPUPLACE_TRY(config.mlp_bias, fields.flag_or("mlp_bias", false));
  }
  GPUPLACE_TRY(config.tied_embeddings, fields.flag_or("tie_word_embeddings", false));
  GPUPLACE_TRY(config.rms_epsilon, fields.positive_or("rms_norm_eps", 1e-6));
  return {};
}

/// transformers 5 writes `rope_parameters` with the base frequency inside; before, `rope_scaling` and `rope_theta`.
inline result<void> read_rope(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(config.rope_theta, fields.positive_or("rope_theta", 10000));
  char const* const key = fields.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  GPUPLACE_TRY(auto const* const object, fields.object_at(key));
  if (!object) return {};
  json_fields const rope(*object, fields.file(), std::string(key) + '.');
  GPUPLACE_TRY(config.rope_theta, rope.positive_or("rope_theta", config.rope_theta));
  GPUPLACE_TRY(auto const older, rope.text_or("type", "default"));
  GPUPLACE_TRY(auto const type, rope.text_or("rope_type", older));
  if (type == "default") return {};
  if (type != "llama3") return rope.refuse(errc::unsupported, "rope_type", "is " + type, "known: default, llama3");
  llama3_rope scaling;
  GPUPLACE_TRY(scaling.factor, rope.positive("factor"));
  GPUPLACE_TRY(scaling.low_frequency_factor, rope.positive("low_freq_factor"));
  GPUPLACE_TRY(scaling.high_frequency_factor, rope.positive("high_freq_factor"));
  GPUPLACE_TRY(scaling.original_context, rope.whole("original_max_position_embeddings", 1, most_positions));
  if (scaling.high_frequency_factor <= scaling.low_frequency_factor)
    return rope.refuse(errc::malformed, "high_freq_factor", "must be above 'low_freq_factor'");
  config.rope_scaling = scaling;
  return {};
}

/// The first layer that `layer_types` lets slide; full attention must not come back after it.
inline result<std::int64_t> first_sliding_layer(json_fields const& fields, nlohmann::json const& types, std::int64_t layers) {
  if (!types.is_array() || types.size() != static_cast<std::size_t>(layers))
    return fields.refuse(errc::malformed, "layer_types", "must be a list with one entry a layer");
  std::int64_t full = 0, sliding = 0;
  for (auto const& type : types) {
    if (type == "full_attention" && sliding == 0) {
      ++full;
    } else if (type == "sliding_attention") {
      ++sliding;
    } else {
      return fields.refuse(errc::unsupported, "layer_types", "mixes kinds of attention in a way gpuplace does not know",
                           "known: full_attention, then sliding_attention");
    }
  }
  return full;
}

/// Qwen slides in the layers from `max_window_layers` on, and only where `use_sliding_window` says so.
inline result<void> read_window(json_fields const& fields, model_config& config) {
  if (config.family == architecture::llama) return {};
  GPUPLACE_TRY(auto const slides, fields.flag_or("use_sliding_window", false));
  if (!slides || !fields.find("sliding_window")) return {};
  GPUPLACE_TRY(auto const window, fields.whole("sliding_window", 1, most_positions));
  std::int64_t first = 0;
  if (auto const* const types = fields.find("layer_types")) {
    GPUPLACE_TRY(first, first_sliding_layer(fields, *types, config.layers));
  } else {
    GPUPLACE_TRY(first, fields.whole_or("max_window_layers", 28, 0, most_layers));
  }
  if (first >= config.layers) return {};
  config.sliding_window = window;
  config.first_sliding_layer = first;
  return {};
}

/// One id or a list of them; nothing where the key is absent.
inline result<std::vector<std::int32_t>> read_tokens(json_fields const& fields, char const* key) {
  std::vector<std::int32_t> ids;
  auto const* const value = fields.find(key);
  if (!value) return ids;
  auto const list = value->is_array() ? *value : nlohmann::json::array({*value});
  for (auto const& id : list) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() > most_token)
      return fields.refuse(errc::malformed, key, "must be a token id or a list of them");
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

/// generation_config.json beside config.json has the last word on where an answer ends, as in transformers.
inline result<void> read_special_tokens(json_fields const& fields, std::filesystem::path const& folder, model_config& config) {
  GPUPLACE_TRY(config.end_tokens, read_tokens(fields, "eos_token_id"));
  GPUPLACE_TRY(auto const begin, read_tokens(fields, "bos_token_id"));
  if (!begin.empty()) config.begin_token = begin.front();
  auto const path = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  GPUPLACE_TRY(auto const json, read_json_file(path));
  if (!json.is_object()) return error{errc::malformed, "must hold an object", path.string(), {}};
  GPUPLACE_TRY(auto ids, read_tokens(json_fields(json, path.string()), "eos_token_id"));
  if (!ids.empty()) config.end_tokens = std::move(ids);
  return {};
}

/// The format of the checkpoint; PyTorch's own default where config.json is silent.
inline result<dtype> read_dtype(json_fields const& fields) {
  char const* const key = fields.find("dtype") ? "dtype" : "torch_dtype";
  GPUPLACE_TRY(auto const name, fields.text_or(key, "float32"));
  auto const type = parse_dtype(name);
  if (!type || is_quantized(*type)) return fields.refuse(errc::unsupported, key, "is " + name, "known: bfloat16, float16, float32");
  return type;
}

}  // namespace detail

/// Reads a parsed config.json.
/// @param json    the whole document
/// @param path    the file it came from: errors name it, and generation_config.json is looked for beside it
/// Errors:     errc::malformed (missing keys, wrong types, senseless numbers); errc::unsupported (other architectures,
///             rotary scalings or activations, with those that are known)
inline result<model_config> model_config_from_json(nlohmann::json const& json, std::filesystem::path const& path) {
  if (!json.is_object()) return error{errc::malformed, "must hold an object", path.string(), {}};
  detail::json_fields const fields(json, path.string());
  model_config config;
  GPUPLACE_TRY(config.family, detail::family_of(fields));
  GPUPLACE_CHECK(detail::read_sizes(fields, config));
  GPUPLACE_CHECK(detail::read_layers(fields, config));
  GPUPLACE_CHECK(detail::read_rope(fields, config));
  GPUPLACE_CHECK(detail::read_window(fields, config));
  GPUPLACE_CHECK(detail::read_special_tokens(fields, path.parent_path(), config));
  GPUPLACE_TRY(config.type, detail::read_dtype(fields));
  return config;
}

/// Reads the hyperparameters of a Llama, Qwen2, Qwen2.5 or Qwen3 checkpoint.
/// @param path    a config.json, or the folder that holds one
/// Errors:     errc::not_found, errc::unreadable, and those of model_config_from_json
/// Source:     the configuration classes of Hugging Face transformers (4 and 5)
inline result<model_config> read_model_config(std::filesystem::path const& path) {
  std::error_code ignored;
  auto const file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  GPUPLACE_TRY(auto const json, read_json_file(file));
  return model_config_from_json(json, file);
}

}  // namespace gpuplace
