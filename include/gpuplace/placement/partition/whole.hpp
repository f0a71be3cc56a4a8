#pragma once
/// @file
/// The partition `whole`.

#include <gpuplace/placement/partition_strategy.hpp>

namespace gpuplace {

/// Puts all units on the group's first device.
/// When to use: the model fits one device. With several devices in the group the others stay idle: use `even` there.
/// Shape:      units [0, U) -> one stage        Errors: errc::invalid_argument for an empty group
/// Complexity: O(1)
struct whole {
  static constexpr std::string_view name = "whole";

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const&) const {
    if (group.empty())
      return error{errc::invalid_argument, "there is no device to place the model on", "partition whole",
                   "give the group a device"};
    return stages{{.device = 0, .first = 0, .last = units.size()}};
  }
};
static_assert(check_partition_strategy<whole>());

}  // namespace gpuplace
