#pragma once
/// @file
/// The time of one step through a whole replica: its stages and the hops between them.

#include <gpuplace/placement/cost_model.hpp>
#include <gpuplace/placement/partition_strategy.hpp>

#include <span>
#include <vector>

namespace gpuplace {

/// Where a step's time goes. `hops[i]` follows `stages[i]`; there is one fewer.
struct replica_cost {
  std::vector<seconds> stages;
  std::vector<seconds> hops;

  /// One step from the first stage to the last.
  seconds step() const {
    seconds total{0};
    for (auto const s : stages) total += s;
    for (auto const h : hops) total += h;
    return total;
  }
};

/// The cost of `work` on a partition of `units` over `group`.
/// Complexity: O(units)
inline replica_cost cost_of(stages const& spans, std::span<unit const> units, device_group const& group, step_work const& work,
                            dtype type) {
  replica_cost cost;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    auto const& s = spans[i];
    cost.stages.push_back(stage_time(units.subspan(s.first, s.last - s.first), group[s.device], work, type));
    if (i + 1 < spans.size()) cost.hops.push_back(hop_time(units[s.last - 1], group.path(s.device, spans[i + 1].device), work));
  }
  return cost;
}

}  // namespace gpuplace
