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
  /// @param ring_pages  pages that each slot has in layers that keep a window alone; 0: such layers keep all like the others
  stage_runner(at::Device device, std::unique_ptr<device_kernels> kernels, stage_weights weights, model_config const& config,
               executor_limits const& limits, std::int64_t ring_pages, at::ScalarType type);

  /// True where the stage takes part in run().
  bool has_work() const { return weights_.embedding.defined() || !weights_.layers.empty(); }
  bool has_norm() const { return weights_.final_norm.defined(); }
  bool has_head() const { return !weights_.head.empty(); }

  /// Passes the step through the stage's embedding and layers.
  /// @param hidden  what the stage before gave, [T, hidden] on any device; undefined for the first stage
  /// @return what the next stage gets: a view of this stage's buffer, good until the next step
  at::Tensor run(at::Tensor const& hidden, step_tensors const& step);

  /// The final norm of some rows of `hidden`, at most logit_rows.
  /// @param rows  int64 indices on the host
  at::Tensor norm(at::Tensor const& hidden, at::Tensor const& rows);

  /// fp32 logits of what norm() gave; good until the next call.
  at::Tensor logits(at::Tensor const& normed);

  /// Copies a sequence for another slot: its pages, and in layers that keep a window alone all that the slot keeps.
  void copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to);

  at::Device device() const { return device_; }
  device_kernels& kernels() { return *kernels_; }
  at::Tensor const& embedding() const { return weights_.embedding; }
  stage_weights const& weights() const { return weights_; }

private:
  struct buffers {
    at::Tensor hidden, normed, qkv, attended, delta, gate_up, activated;
  };
  buffers first(std::int64_t tokens) const;
  void run_layer(std::size_t index, buffers const& b, at::Tensor const& added, step_tensors const& step);
  void make_cache(executor_limits const& limits, at::TensorOptions const& options);
  norm_weights norm_of(at::Tensor const& weight) const { return {weight, config_.rms_epsilon, config_.offset_norms}; }
  bool on_ring(std::size_t index) const { return ring_pages_ > 0 && weights_.layers[index].window > 0; }

  at::Device device_;
  std::unique_ptr<device_kernels> kernels_;
  stage_weights weights_;
  model_config config_;
  std::int64_t ring_pages_;
  double embedding_scale_ = 1;       ///< rounded as the weights are
  std::vector<layer_cache> caches_;  ///< one a layer
  struct {
    at::Tensor cosines, sines;
  } table_, local_table_;  ///< the second where sliding layers turn otherwise
  buffers whole_;
  at::Tensor sampled_, logits_;
};

}  // namespace gpuplace::torch_detail
