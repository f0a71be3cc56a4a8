// A partition of one's own: all that the concept asks for is a name and a member function.
#pragma once
#include <gpuplace/placement/stage_memory.hpp>

/// Puts whole units on each device, in the group's order, until it is full. Weights, KV cache and workspace count.
struct fill_first {
  static constexpr std::string_view name = "fill_first";

  gpuplace::result<gpuplace::stages> partition(std::span<gpuplace::unit const> units, gpuplace::device_group const& group,
                                               gpuplace::demand const& load) const {
    gpuplace::stages spans;
    std::size_t first = 0;
    for (std::size_t d = 0; d < group.size() && first < units.size(); ++d) {
      auto last = first;
      auto const need = [&] { return memory_of(units.subspan(first, last + 1 - first), load, {}, first == 0).total(); };
      while (last < units.size() && need() <= group.capacity(d)) ++last;
      if (last > first) spans.push_back({.device = d, .first = first, .last = last});
      first = last;
    }
    if (first == units.size()) return spans;
    return gpuplace::error{gpuplace::errc::does_not_fit, units[first].name + " and what follows it find no room",
                           "partition fill_first", "add a device, or lower --context or --batch"};
  }
};
static_assert(gpuplace::check_partition_strategy<fill_first>());
