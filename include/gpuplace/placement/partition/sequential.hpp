#pragma once
/// @file
/// The partition `sequential`.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/detail/fill_in_order.hpp>
#include <gpuplace/placement/partition_strategy.hpp>

#include <string>

namespace gpuplace {

/// Puts whole units on each device, in the group's order, until its limit is reached.
/// When to use: to leave the last devices free, or for devices of very different sizes. The first devices are full and the rest
/// idle: `even` spreads. A shared tied head returns to the embedding's device.
/// With weights alone the first device keeps room for the largest unit behind it, as accelerate does, unless only without that
/// the model fits.
/// Shape:      units -> at most one stage a device, in the group's order, then the stage of a tied head that returns
/// Errors:     errc::does_not_fit when units are left over; errc::invalid_argument for an empty group
/// Complexity: O(units + devices)          Source: infer_auto_device_map of Hugging Face's accelerate
struct sequential {
  static constexpr std::string_view name = "sequential";
  static constexpr tied_head head = tied_head::shared;

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    if (group.empty() || units.empty())
      return error{errc::invalid_argument, "there is no device, or nothing to place on it", "partition sequential",
                   "give the group a device"};
    detail::filled_devices filled;
    if (load.weights_only) filled = detail::fill_in_order(units, group, load, detail::first_device::keeps_room);
    if (filled.next < units.size()) filled = detail::fill_in_order(units, group, load, detail::first_device::is_filled);
    if (filled.next == units.size()) return filled.spans;
    bytes room;
    for (std::size_t d = 0; d < group.size(); ++d) room += group.capacity(d);
    auto const left = units.size() - filled.next;
    return error{errc::does_not_fit,
                 units[filled.next].name +
                     (left > 1 ? " and the " + std::to_string(left - 1) + " units behind it find" : std::string(" finds")) +
                     " no room: the model needs " + to_string(detail::total_need(units, load)) +
                     " in whole units, the devices leave " + to_string(room),
                 "partition sequential",
                 {}};
  }
};
static_assert(check_partition_strategy<sequential>() && has_tied_head<sequential>);

}  // namespace gpuplace
