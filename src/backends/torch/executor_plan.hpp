#pragma once
/// @file
/// What a plan asks of an executor, whatever device it runs on.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace gpuplace::torch_detail {

class rank_group;

/// The stages must hold the model's units, all of them and in order, on devices of one kind.
result<void> check_chain(replica const& placed, model_description const& model);

/// The process that has the stages before or after this one's.
struct neighbour {
  std::shared_ptr<rank_group> group;
  int rank = 0;
  std::size_t replica = 0;
  std::size_t hop = 0;  ///< the stage that it leads to
};

/// The stages of a replica that one process runs.
struct stage_segment {
  std::size_t first = 0;
  std::size_t count = 0;
  std::optional<neighbour> before, after;  ///< where the hidden state comes from and goes to, but for the first and the last

  std::span<stage const> of(replica const& placed) const { return std::span(placed.stages).subspan(first, count); }
};

/// All of a replica in this process.
inline stage_segment whole_of(replica const& placed) {
  return {.first = 0, .count = placed.stages.size(), .before = {}, .after = {}};
}

struct cache_limits {
  executor_limits executor;
  std::int64_t ring_pages = 0;  ///< pages that each slot has in layers that keep a window alone; 0: such layers keep all
};

/// What fits the grant of every stage, but no more pages than all sequences can fill.
/// @param step_tokens  0: as demand::max_step_tokens
result<cache_limits> find_limits(model_plan const& planned, replica const& placed, model_config const& config,
                                 std::int64_t page_tokens, std::int64_t step_tokens);

}  // namespace gpuplace::torch_detail
