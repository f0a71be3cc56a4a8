#pragma once
/// @file
/// Configurations of published models by name, so that planning needs no file.

#include <array>
#include <cstdint>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

namespace detail {

/// What differs between the published sizes of a family.
struct preset_sizes {
  std::string_view name;
  architecture family;
  std::int64_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary, max_positions;
  bool tied;
};

/// Source: config.json of the instruction-tuned checkpoint of each name on huggingface.co; of mixtral-8x22b the base one.
inline constexpr std::array<preset_sizes, 16> preset_table{{
    {"qwen2.5-1.5b", architecture::qwen2, 28, 1536, 12, 2, 128, 8960, 151936, 32768, true},
    {"qwen2.5-3b", architecture::qwen2, 36, 2048, 16, 2, 128, 11008, 151936, 32768, true},
    {"qwen2.5-7b", architecture::qwen2, 28, 3584, 28, 4, 128, 18944, 152064, 32768, false},
    {"qwen2.5-14b", architecture::qwen2, 48, 5120, 40, 8, 128, 13824, 152064, 32768, false},
    {"qwen2.5-32b", architecture::qwen2, 64, 5120, 40, 8, 128, 27648, 152064, 32768, false},
    {"qwen2.5-72b", architecture::qwen2, 80, 8192, 64, 8, 128, 29568, 152064, 32768, false},
    {"qwen2.5-vl-72b", architecture::qwen2, 80, 8192, 64, 8, 128, 29568, 152064, 128000, false},
    {"qwen3-1.7b", architecture::qwen3, 28, 2048, 16, 8, 128, 6144, 151936, 40960, true},
    {"qwen3-8b", architecture::qwen3, 36, 4096, 32, 8, 128, 12288, 151936, 40960, false},
    {"llama-3.1-8b", architecture::llama, 32, 4096, 32, 8, 128, 14336, 128256, 131072, false},
    {"llama-3.1-70b", architecture::llama, 80, 8192, 64, 8, 128, 28672, 128256, 131072, false},
    {"mistral-7b", architecture::mistral, 32, 4096, 32, 8, 128, 14336, 32768, 32768, false},
    {"mixtral-8x7b", architecture::mixtral, 32, 4096, 32, 8, 128, 14336, 32000, 32768, false},
    {"mixtral-8x22b", architecture::mixtral, 56, 6144, 48, 8, 128, 16384, 32000, 65536, false},
    {"gemma-3-1b", architecture::gemma3, 26, 1152, 4, 1, 256, 6912, 262144, 32768, true},
    {"smollm2-135m", architecture::llama, 30, 576, 9, 3, 64, 1536, 49152, 8192, true},
}};

inline model_config config_of(preset_sizes const& sizes) {
  model_config config;
  config.family = sizes.family;
  config.hidden = sizes.hidden;
  config.layers = sizes.layers;
  config.heads = sizes.heads;
  config.kv_heads = sizes.kv_heads;
  config.head_dim = sizes.head_dim;
  config.intermediate = sizes.intermediate;
  config.vocabulary = sizes.vocabulary;
  config.max_positions = sizes.max_positions;
  config.tied_embeddings = sizes.tied;
  return config;
}

inline void complete_qwen(model_config& config) {
  config.qkv_bias = config.family == architecture::qwen2;
  config.qk_norm = config.family == architecture::qwen3;
  config.rms_epsilon = 1e-6;
  config.rope.theta = 1e6;
  config.begin_token = 151643;
  config.end_tokens = {151645, 151643};
}

inline void complete_llama31(model_config& config) {
  config.rms_epsilon = 1e-5;
  config.rope = {5e5, llama3_rope{8, 1, 4, 8192}};
  config.begin_token = 128000;
  config.end_tokens = {128001, 128008, 128009};
}

inline void complete_smollm2(model_config& config) {
  config.rms_epsilon = 1e-5;
  config.rope.theta = 1e5;
  config.begin_token = 1;
  config.end_tokens = {2};
}

/// Version 0.3, which sees the whole context.
inline void complete_mistral(model_config& config) {
  config.rms_epsilon = 1e-5;
  config.rope.theta = 1e6;
  config.begin_token = 1;
  config.end_tokens = {2};
}

inline void complete_mixtral(model_config& config) {
  complete_mistral(config);
  config.experts = 8;
  config.active_experts = 2;
}

inline void complete_gemma3(model_config& config) {
  config.qk_norm = config.output_norms = config.offset_norms = config.scaled_embedding = true;
  config.gate = activation::gelu_tanh;
  config.query_scalar = 256;
  config.rope.theta = 1e6;
  config.local_rope = rotary{};
  config.sliding_window = 512;
  for (std::int64_t layer = 1; layer <= config.layers; ++layer) config.sliding_layers.push_back(layer % 6 != 0);
  config.begin_token = 2;
  config.end_tokens = {1, 106};
}

/// The tower of every Qwen2.5-VL size; only the 3B's and 7B's MLPs are narrower (3420).
inline vision_config qwen25_vl_tower() {
  vision_config vision;
  vision.hidden = 1280;
  vision.blocks = 32;
  vision.heads = 16;
  vision.intermediate = 3456;
  return vision;
}

}  // namespace detail

/// The names that preset_config knows, in the order of their families and sizes.
inline std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (auto const& sizes : detail::preset_table) names.emplace_back(sizes.name);
  return names;
}

/// The published hyperparameters of a model.
/// Errors:     errc::not_found, with the names there are
inline result<model_config> preset_config(std::string_view name) {
  std::string names;
  for (auto const& sizes : detail::preset_table) {
    names += (names.empty() ? "" : ", ") + std::string(sizes.name);
    if (sizes.name != name) continue;
    auto config = detail::config_of(sizes);
    if (name.starts_with("qwen")) detail::complete_qwen(config);
    if (name.starts_with("llama-3.1")) detail::complete_llama31(config);
    if (name.starts_with("mistral")) detail::complete_mistral(config);
    if (name.starts_with("mixtral")) detail::complete_mixtral(config);
    if (name.starts_with("gemma-3")) detail::complete_gemma3(config);
    if (name.starts_with("smollm2")) detail::complete_smollm2(config);
    if (name.starts_with("qwen2.5-vl")) config.vision = detail::qwen25_vl_tower();
    return config;
  }
  return error{errc::not_found, "no model preset is called '" + std::string(name) + "'", {}, "one of " + names};
}

}  // namespace gpuplace
