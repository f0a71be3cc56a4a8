#pragma once
/// @file
/// One stage of a replica on its device: weights, its part of the KV pool, and the buffers of a step.

#include "device_kernels.hpp"
#include "stage_weights.hpp"

#include <gpuplace/model/model_config.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <memory>
#include <span>
#include <vector>

namespace gpuplace::torch_detail {

/// Logits are computed for so many positions at once, so that their memory does not grow with the step.
inline constexpr std::int64_t logit_rows = 32;

/// Runs a stage's units over a step's tokens. All memory is taken when it is made.
class stage_runner {
public:
  stage_runner(at::Device device, std::unique_ptr<device_kernels> kernels, stage_weights weights, model_config const& config,
               executor_limits const& limits, at::ScalarType type);

  /// True where the stage takes part in run().
  bool has_work() const { return weights_.embedding.defined() || !weights_.layers.empty(); }
  bool has_norm() const { return weights_.final_norm.defined(); }
  bool has_head() const { return weights_.head.weight.defined(); }

  /// Passes the step through the stage's embedding and layers.
  /// @param hidden  what the stage before gave, [T, hidden] on any device; undefined for the first stage
  /// @return what the next stage gets: a view of this stage's buffer, good until the next step
  at::Tensor run(at::Tensor const& hidden, step_tensors const& step);

  /// The final norm of some rows of `hidden`, at most logit_rows.
  /// @param rows  int64 indices on the host
  at::Tensor norm(at::Tensor const& hidden, at::Tensor const& rows);

  /// fp32 logits of what norm() gave; good until the next call.
  at::Tensor logits(at::Tensor const& normed);

  /// Copies pages of all layers.
  void copy_pages(std::span<page_id const> from, std::span<page_id const> to);

  at::Device device() const { return device_; }
  device_kernels& kernels() { return *kernels_; }
  at::Tensor const& embedding() const { return weights_.embedding; }

private:
  struct buffers {
    at::Tensor hidden, normed, qkv, attended, delta, gate_up, activated;
  };
  buffers first(std::int64_t tokens) const;
  void run_layer(std::size_t index, buffers const& b, at::Tensor const& added, step_tensors const& step);

  at::Device device_;
  std::unique_ptr<device_kernels> kernels_;
  stage_weights weights_;
  model_config config_;
  std::vector<layer_cache> caches_;  ///< one a layer
  at::Tensor cosines_, sines_;
  buffers whole_;
  at::Tensor sampled_, logits_;
};

}  // namespace gpuplace::torch_detail
