#pragma once
/// @file
/// Devices that no split can tell apart.

#include <gpuplace/placement/solver/split_problem.hpp>

#include <cstddef>
#include <limits>
#include <vector>

namespace gpuplace {

/// Devices grouped so that members of a class can change places: equal limits and rates, equal paths to every third device.
/// The paths inside a class are then all equal too. Eight cards on one NVSwitch are one class, on two sockets two.
/// Complexity: O(D^3)
class device_classes {
public:
  explicit device_classes(split_problem const& problem) {
    for (std::size_t d = 0; d < problem.devices(); ++d) {
      std::size_t c = 0;
      while (c < members_.size() && !twins(problem, members_[c].front(), d)) ++c;
      if (c == members_.size()) members_.emplace_back();
      members_[c].push_back(d);
    }
  }

  std::size_t size() const { return members_.size(); }
  std::vector<std::size_t> const& operator[](std::size_t c) const { return members_[c]; }

  /// How many different sets of devices there are, by how many of each class; at most `most`.
  std::size_t sets(std::size_t most = std::numeric_limits<std::size_t>::max()) const {
    std::size_t count = 1;
    for (auto const& m : members_) {
      if (count > most / (m.size() + 1)) return most;
      count *= m.size() + 1;
    }
    return count;
  }

private:
  static bool twins(split_problem const& problem, std::size_t a, std::size_t b) {
    if (!problem.alike(a, b)) return false;
    for (std::size_t x = 0; x < problem.devices(); ++x)
      if (x != a && x != b && !(problem.way(a, x) == problem.way(b, x))) return false;
    return true;
  }

  std::vector<std::vector<std::size_t>> members_;
};

}  // namespace gpuplace
