#pragma once
/// @file
/// What a plan asks of an executor, whatever device it runs on.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <cstdint>

namespace gpuplace::torch_detail {

/// The stages must hold the model's units, all of them and in order, on devices of one kind.
result<void> check_chain(replica const& placed, model_description const& model);

struct cache_limits {
  executor_limits executor;
  std::int64_t ring_pages = 0;  ///< pages that each slot has in layers that keep a window alone; 0: such layers keep all
};

/// What fits the grant of every stage, but no more pages than all sequences can fill.
/// @param step_tokens  0: as demand::max_step_tokens
result<cache_limits> find_limits(model_plan const& planned, replica const& placed, model_config const& config,
                                 std::int64_t page_tokens, std::int64_t step_tokens);

}  // namespace gpuplace::torch_detail
