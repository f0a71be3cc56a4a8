#pragma once
/// @file
/// The partition `optimal`.

#include <gpuplace/placement/detail/split_errors.hpp>
#include <gpuplace/placement/partition/objectives.hpp>

namespace gpuplace {

/// The best split by an objective over the group's devices in the best order; devices may stay idle.
/// When to use: uneven devices or links, or when the speed of a split matters. `even` is easier to picture.
/// Exact up to ten uneven devices, and for hundreds of like ones; beyond that the best of the orders that were tried, and
/// `explain()` says how far off it can be.
/// @tparam Objective  models split_objective: latency, throughput, balance_memory, fewest_devices
/// Shape:      units -> at most one stage a device in an order of its own, then the stage of a shared head that returns
/// Errors:     errc::does_not_fit when no split into whole units does; errc::invalid_argument for an empty group;
///             errc::unsupported for a group of more than 512 devices
/// Complexity: O(sets C^2 U) a question to the search, for C classes of devices and so many sets of them
/// Source:     for chains over uneven processors: Benoit, Robert, "Mapping pipeline skeletons onto heterogeneous platforms" (2008)
template <split_objective Objective = throughput>
struct optimal {
  static constexpr std::string_view name = "optimal";
  Objective objective{};
  tied_head head = tied_head::copied;

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    GPUPLACE_CHECK(detail::check_split(units, group, name));
    split_search search(units, group, load, device_order::any);
    auto found = objective.solve(search);
    if (!found) return detail::no_split_fits(search.problem(), name);
    return std::move(found->spans);
  }
};
static_assert(check_partition_strategy<optimal<>>());

}  // namespace gpuplace
