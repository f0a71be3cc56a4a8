#pragma once
/// @file
/// The partition `even`.

#include <gpuplace/placement/partition_strategy.hpp>

#include <algorithm>
#include <string>

namespace gpuplace {

/// Gives every device of the group the same number of decoder layers, a remainder to the first devices.
/// What precedes the layers (vision tower, embedding) stays with the first stage, norm and head with the last.
/// When to use: like devices and a picture that anyone can check. Sees no capacities: `balanced` does.
/// Shape:      layers [0, L) over D devices -> D stages of L/D or L/D + 1 layers; a shared tied head is
/// one more on the first device
/// Errors:     errc::invalid_argument when there are more devices than layers
/// Complexity: O(units)          Source: transformers' device_map={"": [0, 1, ...]} as its users picture it
struct even {
  static constexpr std::string_view name = "even";

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    auto const is_layer = [](unit const& u) { return u.kind == unit_kind::decoder_layer; };
    auto const layers = static_cast<std::size_t>(std::ranges::count_if(units, is_layer));
    if (group.empty() || layers < group.size())
      return error{errc::invalid_argument,
                   std::to_string(layers) + " layers cannot be spread evenly over " + std::to_string(group.size()) + " devices",
                   "partition even",
                   "use at most " + std::to_string(layers) + " devices for each replica, for example with data_parallel"};
    auto const first_layer = static_cast<std::size_t>(std::ranges::find_if(units, is_layer) - units.begin());
    stages spans;
    std::size_t from = 0;
    std::size_t next_layer = first_layer;
    for (std::size_t d = 0; d < group.size(); ++d) {
      next_layer += layers / group.size() + (d < layers % group.size() ? 1 : 0);
      auto const to = d + 1 == group.size() ? units.size() : next_layer;
      spans.push_back({.device = d, .first = from, .last = to});
      from = to;
    }
    if (load.head == tied_head::shared && units.back().tied && group.size() > 1) {
      spans.back().last -= 1;
      spans.push_back({.device = 0, .first = units.size() - 1, .last = units.size()});
    }
    return spans;
  }
};
static_assert(check_partition_strategy<even>());

}  // namespace gpuplace
