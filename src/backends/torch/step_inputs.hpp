#pragma once
/// @file
/// A batch as flat arrays in host memory that is reserved once.

#include "device_kernels.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <cstdint>
#include <vector>

namespace gpuplace::torch_detail {

/// Flattens batches for the stages. The host tensors are filled in place; each stage sees them on its own device.
class step_inputs {
public:
  /// @param ring_pages  pages that each slot has in layers that keep a window alone; 0: there are no such layers
  step_inputs(executor_limits const& limits, std::int64_t vocabulary, std::int64_t ring_pages);

  /// Takes the next step's rows over.
  /// Errors:     errc::invalid_argument for a batch that breaks the limits or the vocabulary, naming its row
  result<void> fill(batch const& work);

  /// The step's tensors on `device`; on the host these are the reserved ones.
  step_tensors on(at::Device device) const;

  /// Which of the step's tokens are sampled from, in the order of the outcome, int64 on the host.
  std::vector<std::int64_t> const& sampled() const { return sampled_; }
  std::vector<sample_request> const& requests() const { return requests_; }
  /// The row that sample `i` belongs to.
  std::size_t row_of_sample(std::size_t i) const { return row_of_sample_[i]; }
  std::int64_t tokens() const { return tokens_; }

private:
  void add(batch_row const& row, std::int64_t index);
  void add_to_ring(batch_row const& row, std::int64_t index);

  executor_limits limits_;
  std::int64_t vocabulary_;
  std::int64_t ring_pages_;
  std::int64_t tokens_ = 0, rows_ = 0;
  step_tensors host_;  ///< at full size
  std::vector<std::int64_t> sampled_;
  std::vector<sample_request> requests_;
  std::vector<std::size_t> row_of_sample_;
};

}  // namespace gpuplace::torch_detail
