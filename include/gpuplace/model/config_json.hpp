#pragma once
/// @file
/// Reads the hyperparameters that a Hugging Face checkpoint states in config.json.

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <gpuplace/model/detail/json_fields.hpp>
#include <gpuplace/model/detail/rope_json.hpp>
#include <gpuplace/model/detail/window_json.hpp>
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
  bool text_part = false;  ///< of several towers, the language model alone is described
};
inline constexpr std::array<known_architecture, 9> known_architectures{{
    {"LlamaForCausalLM", "llama", architecture::llama},
    {"MistralForCausalLM", "mistral", architecture::mistral},
    {"MixtralForCausalLM", "mixtral", architecture::mixtral},
    {"Qwen2ForCausalLM", "qwen2", architecture::qwen2},
    {"Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", architecture::qwen2},
    {"Qwen3ForCausalLM", "qwen3", architecture::qwen3},
    {"Gemma2ForCausalLM", "gemma2", architecture::gemma2},
    {"Gemma3ForCausalLM", "gemma3_text", architecture::gemma3},
    {"Gemma3ForConditionalGeneration", "gemma3", architecture::gemma3, true},
}};

/// Bounds that no published model comes near; products of sizes within them fit 64 bits.
inline constexpr std::int64_t most_hidden = 1 << 18, most_layers = 4096, most_heads = 4096, most_head_dim = 4096,
                              most_intermediate = 1 << 22, most_vocabulary = 1 << 26, most_positions = std::int64_t{1} << 31,
                              most_token = 0x7fffffff, most_patch = 1024, most_channels = 64, most_merge = 16, most_experts = 4096;

/// The class under `architectures` decides; configs without it have at least a `model_type`.
inline result<known_architecture> architecture_of(json_fields const& fields) {
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
    if (asked == known.class_name || asked == known.model_type) return known;
    names += (names.empty() ? "" : ", ") + std::string(known.class_name);
  }
  return fields.refuse(errc::unsupported, "architectures", "names " + asked + ", which gpuplace does not know", "known: " + names);
}

/// What a key means where it is absent; Gemma 3's published files leave most of theirs to the class. 0: it must be there.
struct default_sizes {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0, max_positions = 0;
};
constexpr default_sizes defaults_of(architecture family) {
  if (family == architecture::gemma3) return {8, 4, 256, 262208, 131072};
  if (family == architecture::gemma2) return {0, 0, 256, 0, 0};
  return {};
}

inline result<std::int64_t> whole_or_default(json_fields const& fields, char const* key, std::int64_t fallback, std::int64_t most) {
  return fallback > 0 ? fields.whole_or(key, fallback, 1, most) : fields.whole(key, 1, most);
}

inline result<void> read_sizes(json_fields const& fields, model_config& config) {
  auto const absent = defaults_of(config.family);
  GPUPLACE_TRY(config.hidden, fields.whole("hidden_size", 1, most_hidden));
  GPUPLACE_TRY(config.layers, fields.whole("num_hidden_layers", 1, most_layers));
  GPUPLACE_TRY(config.heads, whole_or_default(fields, "num_attention_heads", absent.heads, most_heads));
  GPUPLACE_TRY(config.kv_heads,
               fields.whole_or("num_key_value_heads", absent.kv_heads > 0 ? absent.kv_heads : config.heads, 1, most_heads));
  GPUPLACE_TRY(config.intermediate, fields.whole("intermediate_size", 1, most_intermediate));
  GPUPLACE_TRY(config.vocabulary, whole_or_default(fields, "vocab_size", absent.vocabulary, most_vocabulary));
  GPUPLACE_TRY(config.max_positions, whole_or_default(fields, "max_position_embeddings", absent.max_positions, most_positions));
  if (config.heads % config.kv_heads != 0)
    return fields.refuse(
        errc::malformed, "num_attention_heads",
        "is " + std::to_string(config.heads) + ", not a multiple of 'num_key_value_heads' " + std::to_string(config.kv_heads));
  if (absent.head_dim == 0 && !fields.find("head_dim") && config.hidden % config.heads != 0)
    return fields.refuse(errc::malformed, "hidden_size",
                         "is " + std::to_string(config.hidden) + ", not a multiple of 'num_attention_heads' " +
                             std::to_string(config.heads) + ", and 'head_dim' is missing");
  auto const usual = absent.head_dim > 0 ? absent.head_dim : std::max<std::int64_t>(1, config.hidden / config.heads);
  GPUPLACE_TRY(config.head_dim, fields.whole_or("head_dim", usual, 1, most_head_dim));
  if (config.head_dim % 2 != 0)
    return fields.refuse(errc::malformed, "head_dim",
                         "is " + std::to_string(config.head_dim) + ": rotary positions need an even number");
  return {};
}

inline result<activation> read_activation(json_fields const& fields, bool gemma) {
  char const* const key = gemma ? "hidden_activation" : "hidden_act";
  GPUPLACE_TRY(auto const name, fields.text_or(key, gemma ? "gelu_pytorch_tanh" : "silu"));
  if (name == "silu") return activation::silu;
  if (name == "gelu_pytorch_tanh") return activation::gelu_tanh;
  return fields.refuse(errc::unsupported, key, "is " + name, "known: silu, gelu_pytorch_tanh");
}

/// A bound on scores or logits; null means none, an absent key what the family does by itself.
inline result<double> read_softcap(json_fields const& fields, char const* key, double usual) {
  return fields.is_null(key) ? result<double>(0.0) : fields.positive_or(key, usual);
}

/// The MLPs of a layer and how many of them work for a token; transformers 5 knows the first by two names.
inline result<void> read_experts(json_fields const& fields, model_config& config) {
  char const* const key = fields.find("num_local_experts") ? "num_local_experts" : "num_experts";
  GPUPLACE_TRY(config.experts, fields.whole_or(key, 8, 1, most_experts));
  GPUPLACE_TRY(config.active_experts, fields.whole_or("num_experts_per_tok", 2, 1, most_experts));
  if (config.active_experts > config.experts)
    return fields.refuse(
        errc::malformed, "num_experts_per_tok",
        "is " + std::to_string(config.active_experts) + ", more than the " + std::to_string(config.experts) + " experts there are");
  return {};
}

/// What Gemma does and no other family.
inline result<void> read_gemma(json_fields const& fields, model_config& config) {
  bool const second = config.family == architecture::gemma2;
  GPUPLACE_TRY(auto const both_ways, fields.flag_or("use_bidirectional_attention", false));
  if (both_ways) return fields.refuse(errc::unsupported, "use_bidirectional_attention", "makes a model that does not generate");
  config.output_norms = config.offset_norms = config.scaled_embedding = true;
  GPUPLACE_TRY(config.query_scalar, fields.positive_or("query_pre_attn_scalar", 256));
  GPUPLACE_TRY(config.logit_softcap, read_softcap(fields, "final_logit_softcapping", second ? 30 : 0));
  if (second) {  // Gemma 3 has the key too, and no layer that looks at it
    GPUPLACE_TRY(config.attention_softcap, read_softcap(fields, "attn_logit_softcapping", 50));
  }
  return {};
}

inline result<void> read_layers(json_fields const& fields, model_config& config) {
  bool const gemma = config.family == architecture::gemma2 || config.family == architecture::gemma3;
  GPUPLACE_TRY(config.gate, read_activation(fields, gemma));
  if (fields.find("quantization_config"))
    return fields.refuse(errc::unsupported, "quantization_config", "says that the weights are quantised",
                         "give the checkpoint in bf16 and quantise it with --dtype int8 or int4");
  GPUPLACE_TRY(auto const attention_bias, fields.flag_or("attention_bias", false));
  bool const qwen2 = config.family == architecture::qwen2;
  bool const biased = attention_bias && !qwen2 && config.family != architecture::mistral && config.family != architecture::mixtral;
  config.qkv_bias = qwen2 || biased;
  config.output_bias = biased;
  config.qk_norm = config.family == architecture::qwen3 || config.family == architecture::gemma3;
  if (config.family == architecture::llama) {
    GPUPLACE_TRY(config.mlp_bias, fields.flag_or("mlp_bias", false));
  }
  if (config.family == architecture::mixtral) GPUPLACE_CHECK(read_experts(fields, config));
  GPUPLACE_TRY(config.tied_embeddings, fields.flag_or("tie_word_embeddings", gemma));
  GPUPLACE_TRY(config.rms_epsilon, fields.positive_or("rms_norm_eps", config.family == architecture::mixtral ? 1e-5 : 1e-6));
  if (gemma) GPUPLACE_CHECK(read_gemma(fields, config));
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

/// One number, or a list of equal ones, as some files give a patch's sides.
inline result<std::int64_t> side_of(json_fields const& fields, char const* key, std::int64_t usual) {
  auto const* const value = fields.find(key);
  if (!value || !value->is_array()) return fields.whole_or(key, usual, 1, most_patch);
  auto const fits = [&](nlohmann::json const& side) {
    return side.is_number_integer() && side == value->front() && side >= 1 && side <= most_patch;
  };
  if (value->empty() || !std::all_of(value->begin(), value->end(), fits))
    return fields.refuse(errc::malformed, key, "must be one whole number for all sides");
  return value->front().get<std::int64_t>();
}

/// The tower of Qwen2.5-VL.
inline result<vision_config> read_vision(json_fields const& fields) {
  GPUPLACE_TRY(auto const* const object, fields.object_at("vision_config"));
  if (!object) return fields.refuse(errc::malformed, "vision_config", "is missing");
  json_fields const tower(*object, fields.file(), "vision_config.");
  vision_config vision;
  GPUPLACE_TRY(vision.hidden, tower.whole("hidden_size", 1, most_hidden));
  GPUPLACE_TRY(vision.blocks, tower.whole_or("depth", 32, 1, most_layers));
  GPUPLACE_TRY(vision.heads, tower.whole_or("num_heads", 16, 1, most_heads));
  GPUPLACE_TRY(vision.intermediate, tower.whole_or("intermediate_size", 3420, 1, most_intermediate));
  GPUPLACE_TRY(vision.channels, tower.whole_or("in_channels", 3, 1, most_channels));
  GPUPLACE_TRY(vision.patch, side_of(tower, "patch_size", 14));
  GPUPLACE_TRY(vision.temporal_patch, side_of(tower, "temporal_patch_size", 2));
  GPUPLACE_TRY(vision.spatial_merge, tower.whole_or("spatial_merge_size", 2, 1, most_merge));
  return vision;
}

}  // namespace detail

/// Reads a parsed config.json.
/// @param json    the whole document
/// @param path    the file it came from: errors name it, and generation_config.json is looked for beside it
/// Errors:     errc::malformed (missing keys, wrong types, senseless numbers); errc::unsupported (other architectures,
///             rotary scalings or activations, with those that are known)
inline result<model_config> model_config_from_json(nlohmann::json const& json, std::filesystem::path const& path) {
  if (!json.is_object()) return error{errc::malformed, "must hold an object", path.string(), {}};
  detail::json_fields fields(json, path.string());
  if (auto const text = json.find("text_config"); text != json.end() && text->is_object()) fields.look_first_in(*text);
  GPUPLACE_TRY(auto const known, detail::architecture_of(fields));
  model_config config;
  config.family = known.family;
  config.text_part = known.text_part;
  if (known.model_type == "qwen2_5_vl") {
    GPUPLACE_TRY(config.vision, detail::read_vision(fields));
  }
  GPUPLACE_CHECK(detail::read_sizes(fields, config));
  GPUPLACE_CHECK(detail::read_layers(fields, config));
  GPUPLACE_CHECK(detail::read_rope(fields, config));
  GPUPLACE_CHECK(detail::read_window(fields, config));
  GPUPLACE_CHECK(detail::read_special_tokens(fields, path.parent_path(), config));
  GPUPLACE_TRY(config.type, detail::read_dtype(fields));
  return config;
}

/// Reads the hyperparameters of a Llama, Mistral, Mixtral, Qwen2, Qwen2.5, Qwen2.5-VL, Qwen3, Gemma 2 or Gemma 3 checkpoint.
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
