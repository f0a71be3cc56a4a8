#pragma once
/// @file
/// The partitions `balanced` and `balanced_low_0`.

#include <gpuplace/placement/detail/split_errors.hpp>
#include <gpuplace/placement/partition/objectives.hpp>

#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace {

/// The split whose largest device holds the fewest bytes; ties to fewer hops, then to the most even stages.
/// When to use: like devices that should be equally full, or users of device_map="balanced". Knows memory, not speed: `optimal`
/// knows both. The embedding counts, so that the first device gets fewer layers.
/// Shape:      units -> at most one stage a device, in the group's order or with `reorder` in the best one, then the stage of a
///             shared head that returns
/// Errors:     errc::does_not_fit when no split into whole units does; errc::invalid_argument for an empty group;
///             errc::unsupported for a group of more than 512 devices
/// Complexity: O(D U log bytes + D^2 U + D U^2)
/// Source:     the meaning that Hugging Face's accelerate gives "balanced", which it approaches greedily
struct balanced {
  static constexpr std::string_view name = "balanced";
  bool reorder = false;
  tied_head head = tied_head::shared;

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    GPUPLACE_CHECK(detail::check_split(units, group, name));
    split_search search(units, group, load, reorder ? device_order::any : device_order::given);
    auto found = balance_memory{}.solve(search);
    if (!found) return detail::no_split_fits(search.problem(), name);
    return std::move(found->spans);
  }
};
static_assert(check_partition_strategy<balanced>());

/// As little on the group's first device as fits, and the rest balanced over the others.
/// When to use: where the first device has other work, such as sampling for all, or for users of device_map="balanced_low_0".
/// Shape, errors: as `balanced`         Complexity: as `balanced`, times log U
/// Source:     the meaning that Hugging Face's accelerate gives "balanced_low_0"
struct balanced_low_0 {
  static constexpr std::string_view name = "balanced_low_0";
  bool reorder = false;  ///< of the devices behind the first
  tied_head head = tied_head::shared;

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    GPUPLACE_CHECK(detail::check_split(units, group, name));
    if (group.size() == 1) return balanced{false, head}.partition(units, group, load);
    split_problem const all(units, group, load);
    std::vector<std::size_t> positions(group.size() - 1);
    std::iota(positions.begin(), positions.end(), std::size_t{1});
    auto const others = group.subset(positions);
    auto const order = reorder ? device_order::any : device_order::given;
    auto const fits_behind = [&](std::size_t kept) {
      return kept == all.size() || split_search(behind(all, kept), others, load, order).fits({});
    };
    return joined(all, least_kept(all.size(), fits_behind), others, order);
  }

private:
  /// The fewest units on the first device: the more stays there, the less is left to the others.
  template <class Fits>
  static std::size_t least_kept(std::size_t units, Fits fits_behind) {
    if (fits_behind(0)) return 0;
    std::size_t low = 0, high = units;
    while (high - low > 1) {
      auto const middle = low + (high - low) / 2;
      (fits_behind(middle) ? high : low) = middle;
    }
    return high;
  }

  /// The units that the other devices get, a head that returns to the first left out.
  static std::span<unit const> behind(split_problem const& all, std::size_t kept) {
    auto const stays = kept > all.home() && all.head_returns();
    return all.units().subspan(kept, (stays ? all.size() : all.units().size()) - kept);
  }

  result<stages> joined(split_problem const& all, std::size_t kept, device_group const& others, device_order order) const {
    if (kept > 0 && all.need(0, kept) > all.limit(0)) return detail::no_split_fits(all, name);
    if (kept == all.size()) return stages{{.device = 0, .first = 0, .last = all.units().size()}};
    split_search search(behind(all, kept), others, all.load(), order);
    auto found = balance_memory{}.solve(search);
    if (!found) return detail::no_split_fits(all, name);
    stages spans;
    if (kept > 0) spans.push_back({.device = 0, .first = 0, .last = kept});
    for (auto const& s : found->spans) spans.push_back({.device = s.device + 1, .first = s.first + kept, .last = s.last + kept});
    if (kept > all.home() && all.head_returns()) spans.push_back({.device = 0, .first = all.size(), .last = all.size() + 1});
    return spans;
  }
};
static_assert(check_partition_strategy<balanced_low_0>());

}  // namespace gpuplace
