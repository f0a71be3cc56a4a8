#pragma once
/// @file
/// What no split can be better than, found without a search.

#include <gpuplace/placement/solver/split_problem.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace gpuplace {

/// No fewer devices hold the model: as if units could be cut, on the largest devices.
inline std::size_t fewest_devices_bound(split_problem const& problem) {
  std::vector<bytes> limits;
  for (std::size_t d = 0; d < problem.devices(); ++d) limits.push_back(problem.limit(d));
  std::ranges::sort(limits, std::greater<>{});
  auto left = problem.need(0, problem.size());
  std::size_t count = 1;
  for (auto const l : limits) {
    left -= l;
    if (left <= bytes{}) break;
    ++count;
  }
  return count;
}

/// No largest stage is smaller: as if units could be cut, and at least the largest unit.
inline bytes largest_stage_bound(split_problem const& problem) {
  auto const whole = problem.need(0, problem.size());
  bytes unit;
  for (std::size_t u = 0; u < problem.size(); ++u) unit = std::max(unit, problem.need(u, u + 1));
  std::vector<bytes> limits;
  for (std::size_t d = 0; d < problem.devices(); ++d) limits.push_back(problem.limit(d));
  std::ranges::sort(limits);
  // Devices below the level are full, the others share the rest.
  auto left = whole.count();
  for (std::size_t d = 0; d < limits.size(); ++d) {
    auto const others = static_cast<std::int64_t>(limits.size() - d);
    auto const level = (left + others - 1) / others;
    if (level <= limits[d].count()) return std::min(whole, std::max(unit, bytes{level}));
    left -= limits[d].count();
  }
  return whole;
}

/// The time of every unit on the device that is fastest for it.
inline std::vector<seconds> fastest_times(split_problem const& problem) {
  std::vector<seconds> least;
  for (std::size_t u = 0; u < problem.size(); ++u) {
    least.push_back(problem.time(0, u, u + 1));
    for (std::size_t d = 1; d < problem.devices(); ++d) least.back() = std::min(least.back(), problem.time(d, u, u + 1));
  }
  return least;
}

/// No step is shorter: every unit on the device that is fastest for it, and the hops between the fewest devices.
inline seconds step_bound(split_problem const& problem) {
  seconds total{0};
  for (auto const t : fastest_times(problem)) total += t;
  bool const free_hops = std::ranges::any_of(problem.units(), [](unit const& u) { return u.phase == unit_phase::encode; });
  auto const hops = static_cast<double>(fewest_devices_bound(problem)) - 1;
  if (free_hops || hops < 1 || problem.devices() < 2) return total;
  auto shortest = std::numeric_limits<double>::infinity();
  for (std::size_t a = 0; a < problem.devices(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (auto const& way = problem.way(a, b); way.kind != path_kind::none)
        shortest = std::min(shortest, seconds(way.latency).count());
  return shortest < std::numeric_limits<double>::infinity() ? total + seconds{hops * shortest} : total;
}

/// No slowest stage is faster: as if units could be cut and divided among all devices, each as fast as on the unit it does best.
inline seconds slowest_stage_bound(split_problem const& problem) {
  auto const least = fastest_times(problem);
  seconds all{0};
  for (auto const t : least) all += t;
  double devices = 0;  // counted by their speed beside the fastest
  for (std::size_t d = 0; d < problem.devices(); ++d) {
    auto slower = std::numeric_limits<double>::infinity();
    for (std::size_t u = 0; u < problem.size(); ++u)
      if (least[u] > seconds{0}) slower = std::min(slower, problem.time(d, u, u + 1) / least[u]);
    devices += 1 / slower;
  }
  return devices > 0 ? all / devices : seconds{0};
}

}  // namespace gpuplace
