#pragma once
/// @file
/// The hyperparameters of a causal language model, as its config.json states them.

#include <gpuplace/model/dtype.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace {

/// Families whose units gpuplace knows.
enum class architecture { llama, mistral, mixtral, qwen2, qwen3, gemma2, gemma3 };

constexpr std::string_view to_string(architecture family) {
  switch (family) {
    case architecture::llama: return "llama";
    case architecture::mistral: return "mistral";
    case architecture::mixtral: return "mixtral";
    case architecture::qwen2: return "qwen2";
    case architecture::qwen3: return "qwen3";
    case architecture::gemma2: return "gemma2";
    case architecture::gemma3: return "gemma3";
  }
  return "unknown";
}

/// What the gated half of an MLP passes through.
enum class activation { silu, gelu_tanh };

/// All frequencies divided by one number (config.json: rope_scaling of type "linear").
struct linear_rope {
  double factor = 1;

  friend bool operator==(linear_rope const&, linear_rope const&) = default;
};

/// Frequencies of Llama 3.1's longer contexts (config.json: rope_scaling of type "llama3").
struct llama3_rope {
  double factor = 8;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  std::int64_t original_context = 8192;

  friend bool operator==(llama3_rope const&, llama3_rope const&) = default;
};

/// YaRN: planes that turn often in the original context stay, slow ones are slowed, those between are blended (type "yarn").
struct yarn_rope {
  double factor = 1;
  std::int64_t original_context = 0;
  double beta_fast = 32;        ///< turns in the original context from which a plane stays as it is
  double beta_slow = 1;         ///< turns below which it is slowed by `factor`
  double attention_factor = 1;  ///< cosines and sines are multiplied with it
  bool truncate = true;         ///< the blended range is rounded outwards to whole planes

  friend bool operator==(yarn_rope const&, yarn_rope const&) = default;
};

using rope_scaling = std::variant<std::monostate, linear_rope, llama3_rope, yarn_rope>;

/// How queries and keys are turned by their positions.
struct rotary {
  double theta = 10000;
  rope_scaling scaling;

  friend bool operator==(rotary const&, rotary const&) = default;
};

/// A vision tower of Qwen2.5-VL: patches of pixels in, tokens of the language model out.
struct vision_config {
  std::int64_t hidden = 0;
  std::int64_t blocks = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate = 0;
  std::int64_t channels = 3;
  std::int64_t patch = 14;          ///< pixels along one side of a patch
  std::int64_t temporal_patch = 2;  ///< video frames in a patch; an image is repeated
  std::int64_t spatial_merge = 2;   ///< patches along one side of what becomes one token

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
  std::int64_t experts = 0;         ///< MLPs of a layer, of which a router chooses for each token; 0: one MLP and no router
  std::int64_t active_experts = 0;  ///< how many it chooses
  std::int64_t vocabulary = 0;
  std::int64_t max_positions = 0;
  bool tied_embeddings = false;
  bool qkv_bias = false;     ///< q, k and v projections (Qwen2; others with attention_bias)
  bool output_bias = false;  ///< o projection (with attention_bias)
  bool mlp_bias = false;
  bool qk_norm = false;           ///< RMSNorm of each query and key head (Qwen3, Gemma 3)
  bool output_norms = false;      ///< RMSNorm of what attention and MLP return, too (Gemma)
  bool offset_norms = false;      ///< norms are stored as the difference from 1 (Gemma)
  bool scaled_embedding = false;  ///< embeddings are multiplied by the root of the hidden size (Gemma)
  activation gate = activation::silu;
  double rms_epsilon = 1e-6;
  double query_scalar = 0;       ///< scores are divided by its root; 0: head_dim
  double attention_softcap = 0;  ///< scores s become cap * tanh(s / cap); 0: they stay (Gemma 2)
  double logit_softcap = 0;      ///< likewise the logits
  rotary rope;
  std::optional<rotary> local_rope;  ///< of sliding layers where they turn otherwise (Gemma 3)
  std::int64_t sliding_window = 0;   ///< positions that a sliding layer sees, the token's own counted; 0: full attention
  std::vector<bool> sliding_layers;  ///< one entry a layer; empty where none slides
  dtype type = dtype::bf16;          ///< format of the checkpoint's weights
  std::vector<std::int32_t> end_tokens;
  std::optional<std::int32_t> begin_token;
  std::optional<vision_config> vision;  ///< a tower before the embedding; sized for planning
  bool text_part = false;               ///< the language model of a checkpoint whose other towers are left out

  bool slides(std::int64_t layer) const {
    auto const at = static_cast<std::size_t>(layer);
    return at < sliding_layers.size() && sliding_layers[at];
  }
  /// Tokens that `layer` sees; 0: all of them.
  std::int64_t window_of(std::int64_t layer) const { return slides(layer) ? sliding_window : 0; }
  rotary const& rotary_of(std::int64_t layer) const { return local_rope && slides(layer) ? *local_rope : rope; }
  /// What scores are multiplied with.
  double attention_scale() const { return 1 / std::sqrt(query_scalar > 0 ? query_scalar : static_cast<double>(head_dim)); }

  friend bool operator==(model_config const&, model_config const&) = default;
};

}  // namespace gpuplace
