#pragma once
/// @file
/// Why no split fits, in the words of a partition.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/placement/solver/split_problem.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace gpuplace::detail {

/// Most devices that one replica is split over: a chain is far shorter.
inline constexpr std::size_t most_split_devices = 512;

inline result<void> check_split(std::span<unit const> units, device_group const& group, std::string_view strategy) {
  auto const where = "partition " + std::string(strategy);
  if (group.empty() || units.empty())
    return error{errc::invalid_argument, "there is no device, or nothing to place on it", where, "give the group a device"};
  if (group.size() > most_split_devices)
    return error{errc::unsupported, "one replica over " + std::to_string(group.size()) + " devices", where,
                 "split it over at most " + std::to_string(most_split_devices) + ", for example with data_parallel"};
  return {};
}

/// The refusal when no split over whole units fits.
inline error no_split_fits(split_problem const& problem, std::string_view strategy) {
  bytes room, largest_unit;
  for (std::size_t d = 0; d < problem.devices(); ++d) room += problem.limit(d);
  std::size_t widest = 0;
  for (std::size_t u = 0; u < problem.size(); ++u)
    if (problem.need(u, u + 1) > largest_unit) largest_unit = problem.need(u, u + 1), widest = u;
  auto const all = problem.need(0, problem.size());
  auto const where = "partition " + std::string(strategy);
  std::string const over = " over " + std::to_string(problem.devices()) + (problem.devices() == 1 ? " device" : " devices");
  if (all > room)
    return {errc::does_not_fit, "the model needs " + to_string(all) + over + ", which leave " + to_string(room), where, {}};
  return {errc::does_not_fit,
          "no split into whole units fits" + over + ": the model needs " + to_string(all) + " of the " + to_string(room) +
              " that they leave, its largest unit " + problem.units()[widest].name + " " + to_string(largest_unit),
          where,
          {}};
}

}  // namespace gpuplace::detail
