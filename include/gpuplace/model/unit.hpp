#pragma once
/// @file
/// The smallest piece of a model that stays on one device.

#include <gpuplace/core/units.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace gpuplace {

/// When a unit works: `encode` units count in memory and prefill, never in a decode step.
enum class unit_phase { encode, decode };

enum class unit_kind { vision, embedding, decoder_layer, final_norm, head };

constexpr std::string_view to_string(unit_kind kind) {
  switch (kind) {
    case unit_kind::vision: return "vision";
    case unit_kind::embedding: return "embedding";
    case unit_kind::decoder_layer: return "decoder_layer";
    case unit_kind::final_norm: return "final_norm";
    case unit_kind::head: return "head";
  }
  return "unknown";
}

/// One embedding, decoder layer, final norm, head or vision block, with what placing it costs.
/// All amounts are for the number format that the model was described with.
struct unit {
  std::string name;  ///< as Hugging Face names the module: `model.layers.7`
  unit_kind kind = unit_kind::decoder_layer;
  unit_phase phase = unit_phase::decode;

  bytes weight_bytes;               ///< parameters and buffers; a tied head counts as if it had a weight of its own
  bool tied = false;                ///< a head that shares the embedding's weight: a plan may count it once, see tied_head
  bytes kv_bytes_per_token;         ///< KV cache of one token; zero for all but decoder layers
  std::int64_t kv_window = 0;       ///< tokens a sliding window shows; 0: the whole context
  bytes output_bytes_per_token;     ///< what the next unit receives: one hidden state, or the logits after the head
  bytes workspace_bytes_per_token;  ///< temporaries while one token passes (for the head: one sampled row), output included

  double flops_per_token = 0;               ///< matrix products with the weights: two a parameter
  double attention_flops_per_position = 0;  ///< and for each position that a token attends to
  bytes read_bytes_per_token;               ///< weights read for one token where that is not all of them (an embedding's row)
  bytes expert_bytes;                       ///< of weight_bytes, those of all experts: a step reads the ones its tokens choose
  double expert_share = 0;                  ///< the part of the experts that one token chooses

  friend bool operator==(unit const&, unit const&) = default;
};

}  // namespace gpuplace
