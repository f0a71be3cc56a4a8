#pragma once
/// @file
/// The instances of a fleet that take requests now.

#include <gpuplace/routing/fleet_view.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace gpuplace {

/// How many instances take requests.
inline std::size_t available_count(fleet_view const& fleet) {
  return static_cast<std::size_t>(std::count_if(fleet.begin(), fleet.end(), [](instance_load const& i) { return i.available; }));
}

/// The position in the fleet of the `n`th instance that takes requests, counted from 0.
/// @param n  less than available_count(fleet)
inline std::size_t nth_available(fleet_view const& fleet, std::size_t n) {
  std::size_t i = 0;
  for (;; ++i) {
    assert(i < fleet.size());
    if (fleet[i].available && n-- == 0) return i;
  }
}

}  // namespace gpuplace
