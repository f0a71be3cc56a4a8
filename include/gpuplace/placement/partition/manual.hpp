#pragma once
/// @file
/// The partition `manual`.

#include <gpuplace/placement/detail/map_units.hpp>
#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/plan/module_map.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// Puts every unit where a `device_map` says; `{"": [0, 1]}` spreads the whole model evenly over the named devices.
/// When to use: a placement that was worked out elsewhere. `plan --format device-map` writes such maps.
/// Devices are those of the group by name; where the group has none of them, as the second replica's group has not,
/// they are its devices by position.
/// Shape:      units -> one stage for each run of units on the same device
/// Errors:     errc::not_found for a module or device that is not there, with the nearest or with what there is;
///             errc::invalid_argument for a map that leaves units out, with the completed map; errc::unsupported for `cpu`
///             where that would be offloading, for a map that cuts a unit, and for one that names a partition
/// Complexity: O(units + entries)          Source: the device_map of Hugging Face's transformers and accelerate
struct manual {
  static constexpr std::string_view name = "manual";
  static constexpr bool names_devices = true;
  module_map map;

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    if (!map.partition.empty())
      return error{errc::unsupported, "the map is the name of another partition, '" + map.partition + "'", "device_map",
                   "write --partition " + map.partition};
    if (group.empty())
      return error{errc::invalid_argument, "there is no device to place the model on", "partition manual",
                   "give the group a device"};
    detail::map_positions const positions(map, group);
    detail::unit_assignment where(units);
    for (auto const& entry : map.modules) {
      std::vector<std::size_t> at;
      for (auto const& d : entry.devices) {
        GPUPLACE_TRY(auto const position, positions.of(d, entry.module));
        at.push_back(position);
      }
      if (at.size() == 1) {
        GPUPLACE_CHECK(where.add(entry, at.front()));
      } else {
        GPUPLACE_TRY(auto const spread, even{}.partition(units, group.subset(at), load));
        for (auto const& s : spread) where.spread(s.first, s.last, at[s.device]);
      }
    }
    return where.stages_of(map);
  }
};
static_assert(check_partition_strategy<manual>());

}  // namespace gpuplace
