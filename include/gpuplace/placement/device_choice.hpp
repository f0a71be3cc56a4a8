#pragma once
/// @file
/// Which devices of a view to take: the best-linked group of a size, or several groups.

#include <gpuplace/core/result.hpp>
#include <gpuplace/placement/detail/host_by_host.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// Positions in the view that a choice must or must not take.
struct choice_rules {
  std::vector<std::size_t> required{};
  std::vector<std::size_t> excluded{};  ///< in use by others, for instance
};

/// The links inside one group or several.
struct link_quality {
  gigabytes_per_second worst{std::numeric_limits<double>::infinity()};  ///< of the worst pair; infinite where there is no pair
  gigabytes_per_second total{};                                         ///< of all pairs

  friend bool operator==(link_quality const&, link_quality const&) = default;
};

/// A group of devices.
struct chosen_devices {
  std::vector<std::size_t> devices;  ///< positions in the view, in its order
  link_quality links;
  bool exact = false;  ///< no group is better
};

/// Several groups.
struct chosen_partition {
  std::vector<std::vector<std::size_t>> groups;  ///< in the order of the sizes; each in the view's order
  bool exact = false;                            ///< no groups are better
};

/// The links between the devices at `positions`: the worst, and all together.
/// Complexity: O(positions^2)
inline link_quality quality_of(device_group const& view, std::span<std::size_t const> positions) {
  link_quality q;
  for (std::size_t i = 0; i < positions.size(); ++i)
    for (std::size_t j = i + 1; j < positions.size(); ++j) {
      auto const width = view.path(positions[i], positions[j]).bandwidth;
      q.worst = std::min(q.worst, width);
      q.total = gigabytes_per_second{q.total.value() + width.value()};
    }
  return q;
}

/// Chooses again and again from one view: the links are asked for once.
/// When to use: for several questions about one view; for one, best_group() and best_groups().
/// Threads:    none: it keeps what it found
class device_chooser {
public:
  /// @param view  outlives the chooser
  explicit device_chooser(device_group const& view, std::vector<std::size_t> excluded = {})
      : view_(view), available_(view.size(), true), free_(view.size()) {
    for (auto const d : excluded) {
      if (d >= view.size()) bad_position_ = true;
      else if (available_[d]) available_[d] = false, --free_;
    }
  }

  std::size_t available() const { return free_; }

  result<chosen_devices> group(std::size_t size, std::span<std::size_t const> required = {}) {
    GPUPLACE_CHECK(check(std::span(&size, 1), required));
    chosen_devices made;
    if (!small()) {
      made.devices = required.empty() ? detail::host_by_host(view_, available_).groups(std::span(&size, 1)).front()
                                      : detail::host_by_host(view_, available_).group_with(required, size);
    } else {
      find_links();
      detail::device_mask must = 0;
      for (std::size_t i = 0; i < positions_.size(); ++i)
        if (std::ranges::find(required, positions_[i]) != required.end()) must |= detail::mask_of(i);
      if (links_->uniform() && must == 0) return first_devices(size);
      bool const known = sets_.widest.size() > size && must == 0;
      auto const [best, exact] =
          known ? std::pair(sets_.widest[size], sets_.exact) : detail::find_best_set(*links_, all(), size, must);
      made.devices = members(best.members);
      made.exact = exact;
    }
    made.links = quality_of(view_, made.devices);
    return made;
  }

  result<chosen_partition> groups(std::span<std::size_t const> sizes) {
    GPUPLACE_CHECK(check(sizes, {}));
    chosen_partition made;
    bool const single = std::ranges::all_of(sizes, [](std::size_t s) { return s == 1; });
    if ((single && sizes.size() == free_) || (sizes.size() == 1 && sizes.front() == free_)) return slices(sizes);
    if (!small()) {
      made.groups = detail::host_by_host(view_, available_).groups(sizes);
      return made;
    }
    find_links();
    if (links_->uniform()) return slices(sizes);
    find_sets(*std::ranges::max_element(sizes));
    auto const found = detail::group_search(*links_, all(), sets_).best(sizes);
    for (auto const mask : found.groups) made.groups.push_back(members(mask));
    made.exact = found.exact;
    return made;
  }

private:
  bool small() const { return free_ <= detail::most_matrix_devices; }
  detail::device_mask all() const { return detail::first_devices(positions_.size()); }

  result<void> check(std::span<std::size_t const> sizes, std::span<std::size_t const> required) const {
    auto const refuse = [](errc code, std::string what, std::string remedy) {
      return error{code, std::move(what), "device choice", std::move(remedy)};
    };
    bool const outside = std::ranges::any_of(required, [&](std::size_t d) { return d >= view_.size(); });
    if (bad_position_ || outside)
      return refuse(errc::invalid_argument, "a required or excluded device is not in the view",
                    "positions count from 0 to " + std::to_string(view_.size()) + " without the last");
    auto const wanted = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
    if (sizes.empty() || std::ranges::find(sizes, std::size_t{0}) != sizes.end())
      return refuse(errc::invalid_argument, "a group of no devices", "every group needs at least one");
    if (wanted > free_)
      return refuse(errc::does_not_fit, std::to_string(wanted) + " devices are asked for, there are " + std::to_string(free_),
                    "ask for fewer, or exclude fewer");
    if (std::ranges::any_of(required, [&](std::size_t d) { return !available_[d]; }))
      return refuse(errc::invalid_argument, "a required device is excluded", "leave it out of one of the two");
    for (std::size_t i = 0; i < required.size(); ++i)
      if (std::ranges::find(required.subspan(i + 1), required[i]) != required.end())
        return refuse(errc::invalid_argument, "a device is required twice", "name each device once");
    if (required.size() > wanted)
      return refuse(errc::invalid_argument,
                    std::to_string(required.size()) + " devices are required in a group of " + std::to_string(wanted),
                    "require fewer, or ask for a larger group");
    return {};
  }

  /// The devices in the view's order: where there is nothing to choose, and where all links are alike.
  chosen_partition slices(std::span<std::size_t const> sizes) const {
    chosen_partition made{std::vector<std::vector<std::size_t>>(sizes.size()), true};
    std::size_t g = 0;
    for (std::size_t d = 0; d < view_.size(); ++d) {
      if (!available_[d]) continue;
      if (made.groups[g].size() == sizes[g] && ++g == sizes.size()) break;
      made.groups[g].push_back(d);
    }
    return made;
  }

  chosen_devices first_devices(std::size_t size) const {
    chosen_devices made{slices(std::span(&size, 1)).groups.front(), {}, true};
    made.links = quality_of(view_, made.devices);
    return made;
  }

  void find_links() {
    if (links_) return;
    for (std::size_t d = 0; d < view_.size(); ++d)
      if (available_[d]) positions_.push_back(d);
    links_ = std::make_unique<detail::link_matrix>(view_, positions_);
  }

  void find_sets(std::size_t most) {
    constexpr std::size_t few = 8;  // so few that all sizes cost no more than one
    if (sets_.widest.size() <= most) sets_ = detail::find_best_sets(*links_, all(), free_ <= few ? free_ : most);
  }

  std::vector<std::size_t> members(detail::device_mask mask) const {
    std::vector<std::size_t> found;
    detail::for_each_device(mask, [&](std::size_t i) { found.push_back(positions_[i]); });
    return found;
  }

  device_group const& view_;
  std::vector<bool> available_;
  std::size_t free_;
  bool bad_position_ = false;
  std::vector<std::size_t> positions_;  ///< of the matrix' devices in the view
  std::unique_ptr<detail::link_matrix> links_;
  detail::best_sets sets_;  ///< of so many devices as were asked for yet
};

/// The best-linked `size` devices of a view: the widest worst pair, of those the most bandwidth in all, of those the least latency.
/// Of groups that are equal in this the one whose rest keeps the best groups for the next tenant, then the first in the view's
/// order: no pair of NVLinks is split without need, and a machine that is linked alike everywhere is used in its order.
/// When to use: to give a job its devices. For several groups at once best_groups(): one after another they take each other's best.
/// @param rules  devices that must be in it, and devices that must not
/// Exact up to 16 devices, and up to 64 where those that do not fall apart into parts with equal links between them are at most 16
/// (PCIe trees, NVSwitches, hosts, boards of hosts); `exact` says whether. Above 64 devices it works host by host.
/// Errors:     errc::does_not_fit when there are fewer devices; errc::invalid_argument for rules that contradict each other
/// Complexity: O(D^2) paths up to 64 devices and O(2^P) for the largest part P that does not fall apart; O(D log D) above
/// Source:     the widest pair first as bottleneck of a chain's hops; what NVIDIA's go-gpuallocator weighs are pairs' sums
inline result<chosen_devices> best_group(device_group const& view, std::size_t size, choice_rules const& rules = {}) {
  return device_chooser(view, rules.excluded).group(size, rules.required);
}

/// Disjoint groups of `sizes`, best linked inside: the widest worst pair of all groups, of those the most bandwidth in all, then the
/// least latency, then the devices whose loss costs the free ones least, then the view's own slices.
/// When to use: replicas of one model (4, 4), or models side by side (6, 2). There are no required devices: groups take what is best.
/// Exact up to 16 devices, and above as far as bounds and 15,000 steps of search reach, which is most machines; `exact` says whether.
/// Errors:     as best_group()
/// Complexity: as best_group(), and the search
inline result<chosen_partition> best_groups(device_group const& view, std::span<std::size_t const> sizes,
                                            std::vector<std::size_t> excluded = {}) {
  return device_chooser(view, std::move(excluded)).groups(sizes);
}
inline result<chosen_partition> best_groups(device_group const& view, std::initializer_list<std::size_t> sizes,
                                            std::vector<std::size_t> excluded = {}) {
  return best_groups(view, std::span(sizes.begin(), sizes.size()), std::move(excluded));
}

/// What a choice leaves for the next tenant: the best groups of 2, 4, 8, … among the devices that are not `taken`.
/// Errors:     errc::invalid_argument for a position outside the view
inline result<std::vector<chosen_devices>> best_left(device_group const& view, std::vector<std::size_t> taken) {
  device_chooser chooser(view, std::move(taken));
  std::vector<chosen_devices> left;
  for (std::size_t size = 2; size <= chooser.available(); size *= 2) {
    GPUPLACE_TRY(auto found, chooser.group(size));
    left.push_back(std::move(found));
  }
  return left;
}

}  // namespace gpuplace
