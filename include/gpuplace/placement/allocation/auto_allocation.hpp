#pragma once
/// @file
/// The allocation `auto`.

#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/allocation/ratio.hpp>
#include <gpuplace/placement/allocation/same.hpp>
#include <gpuplace/placement/allocation/separate.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// Numbers of replicas worth trying on `devices`: one device each, then two, and so on; on large machines powers of two.
/// @param requests  expected in all; 0: unknown
inline std::vector<std::size_t> replica_counts(std::size_t devices, std::int64_t requests) {
  constexpr std::size_t tried_one_by_one = 16;
  std::vector<std::size_t> counts;
  for (std::size_t size = 1; size <= devices / 2; size = devices <= tried_one_by_one ? size + 1 : size * 2) {
    auto const count = devices / size;
    bool const wanted = requests <= 0 || count <= static_cast<std::size_t>(requests);
    if (wanted && (counts.empty() || counts.back() != count)) counts.push_back(count);
  }
  return counts;
}

/// Ways to divide `devices` between two models, in at most eight steps.
inline std::vector<std::size_t> shares_of_the_first(std::size_t devices, std::size_t& whole) {
  whole = std::min<std::size_t>(devices, 8);
  while (devices % whole != 0) --whole;
  if (whole == 1) whole = std::min<std::size_t>(devices, 8);  // a prime number: some devices stay idle
  std::vector<std::size_t> shares;
  for (std::size_t first = whole - 1; first >= 1; --first) shares.push_back(first);
  return shares;
}

}  // namespace detail

/// Proposes what the other allocations would, for place() to choose from: replicas on as few devices each as will do, one group,
/// and for several models every division among them.
/// When to use: the default. It is a list of the others, so name one where you know which.
/// Shape:      D devices -> O(D) candidates up to 16, O(log D) above
/// Errors:     errc::does_not_fit for an empty view         Complexity: O(D) for each candidate
struct auto_allocation {
  static constexpr std::string_view name = "auto";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (view.empty()) return error{errc::does_not_fit, "there is no device", "allocation auto", "make a device visible"};
    std::vector<candidate> all;
    auto const add = [&](auto const& strategy) {
      if (auto proposed = strategy.propose(work, view)) std::ranges::move(*proposed, std::back_inserter(all));
    };
    if (work.models.empty()) return all;
    for (auto const count : detail::replica_counts(view.size(), work.models.front().load.requests)) add(data_parallel{count});
    if (work.models.size() == 2 && view.size() >= 2) {
      std::size_t whole = 0;
      for (auto const first : detail::shares_of_the_first(view.size(), whole)) add(ratio{first, whole - first});
    } else if (work.models.size() > 2) {
      add(separate{});
    }
    add(one_group{});
    if (view.size() > 1) add(same{});
    return all;
  }
};
static_assert(check_allocation_strategy<auto_allocation>());

}  // namespace gpuplace
