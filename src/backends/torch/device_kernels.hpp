#pragma once
/// @file
/// What a stage asks of the device it runs on. One class of kernels for each kind of device; all else is the same for all.

#include "sampler.hpp"

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gpuplace::torch_detail {

/// A step's rows as tensors on one device. Tokens of all rows lie one after another: T tokens, R rows.
struct step_tensors {
  at::Tensor tokens;          ///< int32 [T]
  at::Tensor positions;       ///< int32 [T]
  at::Tensor cache_rows;      ///< int64 [T]: page * page_tokens + offset, where a token's key and value go
  at::Tensor token_begin;     ///< int32 [R + 1]
  at::Tensor first_position;  ///< int32 [R]
  at::Tensor pages;           ///< int32 [R, pages of the longest sequence]
  std::int64_t page_tokens = 0;
  at::Tensor ring_rows;   ///< cache_rows and pages of layers that keep a window alone: each slot has pages of its own there,
  at::Tensor ring_pages;  ///< which its positions pass round; undefined where no layer does

  /// The same step as those layers see it.
  step_tensors on_rings() const {
    auto other = *this;
    other.cache_rows = ring_rows;
    other.pages = ring_pages;
    return other;
  }
};

/// A layer's part of the KV pool: [pages, page_tokens, kv_heads, head_dim] each.
struct layer_cache {
  at::Tensor keys;
  at::Tensor values;
};

/// Some outputs of a linear layer.
struct linear_part {
  at::Tensor weight;  ///< [outputs, inputs]
  at::Tensor bias;    ///< [outputs] or undefined
};
/// One product whose outputs lie side by side, though its weights lie where their file has them.
using linear_weights = std::vector<linear_part>;

/// An RMSNorm; see torch_cpu::norm_weight for `offset`.
struct norm_weights {
  at::Tensor weight;  ///< undefined: no norm
  double epsilon = 0;
  bool offset = false;
};

/// Query and key norms, undefined in families without them, and the table of rotations.
struct rotation {
  norm_weights query_norm;
  norm_weights key_norm;
  at::Tensor cosines;  ///< fp32 [context, head_dim / 2]
  at::Tensor sines;
};

struct attention_rule {
  std::int64_t window = 0;  ///< positions that a token sees at most; 0: all
  double scale = 1;
  double softcap = 0;  ///< 0: none
};

struct attention_shape {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

/// Work on tensors of one device. Outputs are given by the caller, so that a step allocates next to nothing.
class device_kernels {
public:
  virtual ~device_kernels() = default;

  /// Called once before a step's layers.
  virtual void begin_step(step_tensors const& step, attention_shape const& shape) = 0;
  /// out[t] = table[tokens[t]] * scale.
  virtual void embed(at::Tensor const& table, at::Tensor const& tokens, double scale, at::Tensor const& out) = 0;
  /// x += added where that is defined; out = RMSNorm(x). `out` may be `x`.
  virtual void norm(at::Tensor const& x, at::Tensor const& added, norm_weights const& weights, at::Tensor const& out) = 0;
  /// out = x weight^T + bias, the parts side by side; `out` may be fp32 where the weights are not.
  virtual void linear(at::Tensor const& x, linear_weights const& weights, at::Tensor const& out) = 0;
  /// Normalises and turns queries and keys in place and stores keys and values in the cache.
  virtual void rotate_and_store(at::Tensor const& qkv, rotation const& r, step_tensors const& step, layer_cache const& cache) = 0;
  virtual void attend(at::Tensor const& qkv, step_tensors const& step, layer_cache const& cache, attention_rule const& rule,
                      at::Tensor const& out) = 0;
  /// out = gate(the first half) * the second.
  virtual void gate_multiply(at::Tensor const& gate_up, activation gate, at::Tensor const& out) = 0;
  /// x = cap * tanh(x / cap), in fp32.
  virtual void softcap(at::Tensor const& x, double cap) = 0;
  /// Chooses a token from each row of fp32 logits; the first row whose logits hold a NaN where there is one.
  /// @param logprobs  one for each row, filled for the rows that ask; may be empty where none does
  virtual std::optional<std::int64_t> sample(at::Tensor const& logits, std::span<sample_request const> requests,
                                             std::span<token_id> chosen, std::span<token_logprobs> logprobs) = 0;
};

}  // namespace gpuplace::torch_detail
