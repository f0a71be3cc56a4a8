#pragma once
/// @file
/// In how many micro-batches a step of a replica should pass its stages.

#include <gpuplace/placement/replica_cost.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace gpuplace {

/// Numbers of micro-batches worth trying for so many sequences over so many devices: 1, 2, 3, 4, 6, 8, 12, … up to four a device
/// and one a sequence.
inline std::vector<std::int64_t> micro_batch_counts(std::int64_t sequences, std::size_t devices) {
  auto const most = devices > 1 ? std::min(sequences, 4 * static_cast<std::int64_t>(devices)) : 1;
  std::vector<std::int64_t> counts;
  for (std::int64_t m = 1; m <= most; m *= 2) {
    counts.push_back(m);
    if (m > 1 && m + m / 2 <= most) counts.push_back(m + m / 2);
  }
  return counts;
}

/// Sequences of the largest of `count` micro-batches.
constexpr std::int64_t micro_batch_size(std::int64_t sequences, std::int64_t count) { return (sequences + count - 1) / count; }

/// A number of micro-batches, and how long one token of every sequence then takes.
struct pipelined_step {
  std::int64_t micro_batches = 1;
  seconds time{0};
};

/// The time from one token of every sequence to the next when `count` micro-batches follow each other: the busiest device
/// serves each of them in turn, and none is faster than its own way through all stages.
/// @param cost  of one micro-batch        @param busiest  time of the busiest device in it
/// Source:     Huang et al., "GPipe" (2019), for what micro-batches overlap; in decoding each reads the weights again
inline seconds pipelined_time(replica_cost const& cost, seconds busiest, std::int64_t count) {
  return std::max(cost.step(), static_cast<double>(count) * busiest);
}

/// Time of each micro-batch on the device that is busiest: a device may carry several stages.
inline seconds busiest_device(stages const& spans, replica_cost const& cost) {
  std::map<std::size_t, seconds> busy;
  for (std::size_t s = 0; s < spans.size(); ++s) busy[spans[s].device] += cost.stages[s];
  seconds most{0};
  for (auto const& [device, time] : busy) most = std::max(most, time);
  return most;
}

/// The fastest number of micro-batches for decoding on a partition of `units` over `group`; of equals the fewest.
/// Complexity: O(units log sequences)
inline pipelined_step best_micro_batches(stages const& spans, std::span<unit const> units, device_group const& group,
                                         std::int64_t sequences, std::int64_t context, dtype type) {
  pipelined_step best;
  for (auto const count : micro_batch_counts(sequences, spans.size() > 1 ? group.size() : 1)) {
    auto const work = step_work::decode(static_cast<double>(micro_batch_size(sequences, count)), static_cast<double>(context));
    auto const cost = cost_of(spans, units, group, work, type);
    auto const time = pipelined_time(cost, busiest_device(spans, cost), count);
    if (count == 1 || time < best.time) best = {count, time};
  }
  return best;
}

}  // namespace gpuplace
