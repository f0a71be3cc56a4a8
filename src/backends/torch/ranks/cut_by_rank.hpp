#pragma once
/// @file
/// Which processes run a replica's stages.

#include "../executor_plan.hpp"
#include "rank_group.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/plan.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace gpuplace::torch_detail {

struct ranked_segment {
  int rank = 0;
  stage_segment part;
};

/// A replica's stages by the processes that have their devices, in order.
/// Errors:     errc::unsupported where the stages come back to a process that they have left
result<std::vector<ranked_segment>> cut_by_rank(std::shared_ptr<rank_group> const& group, replica const& placed,
                                                std::size_t number);

}  // namespace gpuplace::torch_detail
