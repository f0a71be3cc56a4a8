#pragma once
/// @file
/// The partition `auto`.

#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/placement/partition_strategy.hpp>

namespace gpuplace {

/// `whole` where the group has one device, else `even`.
/// When to use: the default beside an allocation that tries groups of several sizes.
/// Errors:     those of the two         Complexity: O(units)
struct auto_partition {
  static constexpr std::string_view name = "auto";

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    return group.size() == 1 ? whole{}.partition(units, group, load) : even{}.partition(units, group, load);
  }
};
static_assert(check_partition_strategy<auto_partition>());

}  // namespace gpuplace
