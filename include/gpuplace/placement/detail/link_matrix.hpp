#pragma once
/// @file
/// The links between a few devices as whole numbers: sums are exact and like links compare equal.

#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gpuplace::detail {

/// Some of the devices of a matrix, one bit each.
using device_mask = std::uint64_t;

/// Most devices of a matrix.
inline constexpr std::size_t most_matrix_devices = 64;

constexpr device_mask mask_of(std::size_t device) { return device_mask{1} << device; }
constexpr device_mask first_devices(std::size_t count) { return count >= 64 ? ~device_mask{0} : mask_of(count) - 1; }
constexpr std::size_t lowest(device_mask mask) { return static_cast<std::size_t>(std::countr_zero(mask)); }
constexpr std::size_t count_of(device_mask mask) { return static_cast<std::size_t>(std::popcount(mask)); }

/// Whether the members of `a`, listed in order, come before those of `b`; for sets of one size.
constexpr bool comes_first(device_mask a, device_mask b) {
  auto const differ = a ^ b;
  return (a & differ & (~differ + 1)) != 0;
}

/// One pair's link. Sums of scores compare by their bandwidth, and where that is equal by their latency.
struct link_value {
  std::int64_t width = 0;  ///< MB/s
  std::int64_t score = 0;
};

inline link_value value_of(path const& way) {
  constexpr double widest = 1e7, longest = 3e4;  // MB/s and tenths of a microsecond: sums over all pairs stay below 2^63
  constexpr std::int64_t latencies = std::int64_t{1} << 26;
  auto const within = [](double x, double most) { return static_cast<std::int64_t>(std::llround(std::clamp(x, 0.0, most))); };
  auto const width = within(way.bandwidth.value() * 1e3, widest);
  return {width, width * latencies - within(way.latency.count() * 10, longest)};
}

/// The links between the devices at some positions of a view.
/// Complexity: O(D^2) paths
class link_matrix {
public:
  link_matrix(device_group const& view, std::span<std::size_t const> positions)
      : size_(positions.size()), values_(size_ * size_), degrees_(size_) {
    for (std::size_t i = 0; i < size_; ++i)
      for (std::size_t j = i + 1; j < size_; ++j) {
        values_[i * size_ + j] = values_[j * size_ + i] = value_of(view.path(positions[i], positions[j]));
        uniform_ = uniform_ && (*this)(i, j).score == (*this)(0, 1).score;
        degrees_[i] += (*this)(i, j).score;
        degrees_[j] += (*this)(i, j).score;
      }
  }

  std::size_t size() const { return size_; }

  /// Whether the same link is between every two.
  bool uniform() const { return uniform_; }

  link_value const& operator()(std::size_t i, std::size_t j) const { return values_[i * size_ + j]; }

  /// All that device `i` has: a group that takes it takes that from the others.
  std::int64_t degree(std::size_t i) const { return degrees_[i]; }

  /// What identifies the matrix: hosts with equal ones are chosen from alike.
  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> scores;
    scores.reserve(values_.size());
    for (auto const& v : values_) scores.push_back(v.score);
    return scores;
  }

private:
  std::size_t size_;
  bool uniform_ = true;
  std::vector<link_value> values_;
  std::vector<std::int64_t> degrees_;
};

/// Calls `f` with each member of `mask`, lowest first.
template <class F>
constexpr void for_each_device(device_mask mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(lowest(mask));
}

}  // namespace gpuplace::detail
