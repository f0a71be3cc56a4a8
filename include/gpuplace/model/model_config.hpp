#pragma once
/// @file
/// The hyperparameters of a causal language model, as its config.json states them.

#include <gpuplace/model/dtype.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// Families whose units gpuplace knows.
enum class architecture { llama, qwen2, qwen3 };

constexpr std::string_view to_string(architecture family) {
  switch (family) {
    case architecture::llama: return "llama";
    case architecture::qwen2: return "qwen2";
    case architecture::qwen3: return "qwen3";
  }
  return "unknown";
}

/// Frequencies of Llama 3.1's longer contexts (config.json: rope_scaling of type "llama3").
struct llama3_rope {
  double factor = 8;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  std::int64_t original_context = 8192;

  friend bool operator==(llama3_rope const&, llama3_rope const&) = default;
};

/// A vision tower of Qwen2.5-VL: patches of pixels in, tokens of the language model out.
struct vision_config {
  std::int64_t hidden = 0;
  std::int64_t blocks = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate = 0;
  std::int64_t channels = 3;
  std::int64_t patch = 14;           ///< pixels along one side of a patch
  std::int64_t temporal_patch = 2;   ///< video frames in a patch; an image is repeated
  std::int64_t spatial_merge = 2;    ///< patches along one side of what becomes one token

  constexpr std::int64_t patches_per_token() const { return spatial_merge * spatial_merge; }
  constexpr std::int64_t patch_numbers() const { return channels * temporal_patch * patch * patch; }
  friend bool operator==(vision_config const&, vision_config const&) = default;
};

/// Everything that decides a model's shapes and arithmetic.
struct model_config {
  architecture family = architecture::llama;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t intermediate = 0;
  std::int64_t vocabulary = 0;
  std::int64_t max_positions = 0;
  bool tied_embeddings = false;
  bool qkv_bias = false;       ///< q, k and v projections (Qwen2; Llama with attention_bias)
  bool output_bias = false;    ///< o projection (Llama with attention_bias)
  bool mlp_bias = false;
  bool qk_norm = false;        ///< RMSNorm of each query and key head (Qwen3)
  double rms_epsilon = 1e-6;
  double rope_theta = 10000;
  std::optional<llama3_rope> rope_scaling;
  std::int64_t sliding_window = 0;  ///< 0: full attention
  std::int64_t first_sliding_layer = 0;  ///< layers before it attend to everything even where there is a window
  dtype type = dtype::bf16;         ///< format of the checkpoint's weights
  std::vector<std::int32_t> end_tokens;
  std::optional<std::int32_t> begin_token;
  std::optional<vision_config> vision;  ///< a tower before the embedding; sized for planning

  /// Tokens that `layer` remembers; 0: all of them.
  constexpr std::int64_t window_of(std::int64_t layer) const { return layer < first_sliding_layer ? 0 : sliding_window; }

  friend bool operator==(model_config const&, model_config const&) = default;
};

}  // namespace gpuplace
