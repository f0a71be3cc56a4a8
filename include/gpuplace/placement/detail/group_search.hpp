#pragma once
/// @file
/// Several best-linked groups at once among at most 64 devices.

#include <gpuplace/placement/detail/best_sets.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Groups, in the order of the sizes that were asked for, and what their links are worth together.
struct chosen_groups {
  std::vector<device_mask> groups;
  std::int64_t worst = std::numeric_limits<std::int64_t>::max();
  std::int64_t score = 0;
  std::int64_t degree = 0;
  bool exact = false;  ///< no groups are better
};

/// Wider worst pair, then more in all, then less taken from the devices that stay free.
inline bool better(chosen_groups const& a, chosen_groups const& b) {
  if (a.worst != b.worst) return a.worst > b.worst;
  if (a.score != b.score) return a.score > b.score;
  return a.degree < b.degree;
}

/// Looks for groups: first the view's own slices, then group after group the best of what is left, and where a bound does not say
/// that this is the best there is, all groupings, as far as the number of steps goes.
class group_search {
public:
  /// @param sets  find_best_sets() of `available`
  group_search(link_matrix const& links, device_mask available, best_sets const& sets)
      : links_(links), available_(available), sets_(sets) {}

  chosen_groups best(std::span<std::size_t const> sizes) {
    set_bounds(sizes);
    best_ = slices(sizes);
    if (is_bound(best_) && takes_least(best_)) return finished(true);
    consider(one_by_one(sizes, in_order(sizes, false)));
    if (auto const order = in_order(sizes, true); order != in_order(sizes, false)) consider(one_by_one(sizes, order));
    if (is_bound(best_)) return finished(sets_.exact);
    return finished(search(sizes));
  }

private:
  static constexpr std::size_t few_devices = 16, most_steps_of_few = 4'000'000, most_steps = 15'000;

  chosen_groups finished(bool exact) {
    best_.exact = exact;
    return std::move(best_);
  }

  void consider(chosen_groups found) {
    if (better(found, best_)) best_ = std::move(found);
  }

  void set_bounds(std::span<std::size_t const> sizes) {
    widest_ = std::numeric_limits<std::int64_t>::max();
    fullest_ = 0;
    for (auto const s : sizes) {
      widest_ = std::min(widest_, sets_.widest[s].worst);
      fullest_ += sets_.fullest[s].score;
    }
  }
  bool is_bound(chosen_groups const& found) const { return found.worst >= widest_ && found.score >= fullest_; }

  /// No other choice leaves more to the devices that stay free.
  bool takes_least(chosen_groups const& found) const {
    device_mask taken = 0;
    for (auto const g : found.groups) taken |= g;
    auto const degree = links_.degree(lowest(available_));
    bool alike = true;
    for_each_device(available_, [&](std::size_t d) { alike = alike && links_.degree(d) == degree; });
    return taken == available_ || (alike && count_of(available_) > small_block::most_devices);
  }

  void add(chosen_groups& to, device_mask group) const {
    for_each_device(group, [&](std::size_t i) {
      to.degree += links_.degree(i);
      for_each_device(group & ~first_devices(i + 1), [&](std::size_t j) {
        to.worst = std::min(to.worst, links_(i, j).width);
        to.score += links_(i, j).score;
      });
    });
    to.groups.push_back(group);
  }

  chosen_groups slices(std::span<std::size_t const> sizes) const {
    chosen_groups made;
    auto left = available_;
    for (auto const s : sizes) {
      device_mask group = 0;
      for (std::size_t i = 0; i < s; ++i, left &= left - 1) group |= left & (~left + 1);
      add(made, group);
    }
    return made;
  }

  static std::vector<std::size_t> in_order(std::span<std::size_t const> sizes, bool largest_first) {
    std::vector<std::size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t g = 1; largest_first && g < order.size(); ++g)  // few: each goes before those that are smaller
      for (auto at = g; at > 0 && sizes[order[at]] > sizes[order[at - 1]]; --at) std::swap(order[at], order[at - 1]);
    return order;
  }

  chosen_groups one_by_one(std::span<std::size_t const> sizes, std::vector<std::size_t> const& order) const {
    std::vector<device_mask> groups(sizes.size());
    auto left = available_;
    for (auto const g : order) {
      groups[g] = left == available_ ? sets_.widest[sizes[g]].members : find_best_set(links_, left, sizes[g]).first.members;
      left &= ~groups[g];
    }
    chosen_groups made;
    for (auto const g : groups) add(made, g);
    return made;
  }

  // ---- all groupings

  /// The links that are as wide as asked for, and what a device can have of them at most.
  struct threshold {
    std::int64_t width = 0;
    std::array<device_mask, most_matrix_devices> neighbours{};
    std::array<std::int64_t, most_matrix_devices> most{};  ///< of a device in a group of the largest size
  };

  /// Narrower and narrower worst pairs until groups are found. True: nothing was left out.
  bool search(std::span<std::size_t const> sizes) {
    order_ = in_order(sizes, true);
    sizes_.clear();
    for (auto const g : order_) sizes_.push_back(sizes[g]);
    find_twins();
    for (auto const width : widths()) {
      if (width > widest_) continue;
      if (width < best_.worst) break;
      set_threshold(width);
      place_group(0, available_, {});
      if (out_of_steps()) return false;
    }
    return sets_.exact || best_.worst >= widest_;
  }

  std::vector<std::int64_t> widths() const {
    std::vector<std::int64_t> all;
    for_each_device(available_, [&](std::size_t i) {
      for_each_device(available_ & ~first_devices(i + 1), [&](std::size_t j) { all.push_back(-links_(i, j).width); });
    });
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (auto& width : all) width = -width;
    return all;
  }

  bool out_of_steps() const { return steps_ > (count_of(available_) <= few_devices ? most_steps_of_few : most_steps); }

  void set_threshold(std::int64_t width) {
    at_ = {.width = width};
    auto const others = sizes_.front() - 1;
    std::vector<std::int64_t> scores;
    for_each_device(available_, [&](std::size_t i) {
      scores.clear();
      for_each_device(available_ & ~mask_of(i), [&](std::size_t j) {
        if (links_(i, j).width < width) return;
        at_.neighbours[i] |= mask_of(j);
        scores.push_back(-std::max<std::int64_t>(0, links_(i, j).score));
      });
      std::sort(scores.begin(), scores.end());
      for (std::size_t n = 0; n < std::min(others, scores.size()); ++n) at_.most[i] -= scores[n];
    });
  }

  /// Devices that could change places without any difference: of those that are free the first is taken.
  void find_twins() {
    std::vector<device_mask> classes;
    for_each_device(available_, [&](std::size_t i) {
      auto const like = [&](std::size_t j) {
        bool same = true;
        for_each_device(available_ & ~mask_of(i) & ~mask_of(j),
                        [&](std::size_t x) { same = same && links_(i, x).score == links_(j, x).score; });
        return same;
      };
      std::size_t at = 0;
      while (at < classes.size() && !like(lowest(classes[at]))) ++at;
      if (at == classes.size()) classes.push_back(0);
      lower_twins_[i] = classes[at];
      classes[at] |= mask_of(i);
    });
  }

  /// What the groups from `level` on can have at most.
  std::int64_t bound(std::size_t level, device_mask left) const {
    std::int64_t of_groups = 0, of_devices = 0;
    for (auto l = level; l < sizes_.size(); ++l) of_groups += sets_.fullest[sizes_[l]].score;
    for_each_device(left, [&](std::size_t d) { of_devices += at_.most[d]; });
    return std::min(of_groups, of_devices / 2);
  }

  bool beaten(std::int64_t score) const { return best_.worst >= at_.width && best_.score >= score; }

  void place_group(std::size_t level, device_mask left, chosen_groups const& so_far) {
    if (level == sizes_.size()) return keep(so_far);
    if (beaten(so_far.score + bound(level, left))) return;
    std::size_t needed = 0;
    for (auto l = level; l < sizes_.size(); ++l) needed += sizes_[l];
    bool const all_alike = sizes_[level] == sizes_.back();
    auto starts = left;
    if (level > 0 && sizes_[level] == sizes_[level - 1]) starts &= ~first_devices(lowest(so_far.groups.back()) + 1);
    if (needed == count_of(left) && all_alike) starts &= mask_of(lowest(left));
    for_each_device(starts, [&](std::size_t d) {
      if ((lower_twins_[d] & left) != 0) return;
      grow(level, left, so_far, {.possible = true, .members = mask_of(d)}, at_.neighbours[d] & left & ~first_devices(d + 1), 1);
    });
  }

  void grow(std::size_t level, device_mask left, chosen_groups const& so_far, chosen_set const& group, device_mask candidates,
            std::size_t size) {
    ++steps_;
    if (out_of_steps()) return;
    if (size == sizes_[level]) {
      auto next = so_far;
      add(next, group.members);
      return place_group(level + 1, left & ~group.members, next);
    }
    if (size + count_of(candidates) < sizes_[level]) return;
    for_each_device(candidates, [&](std::size_t d) {
      if (out_of_steps() || (lower_twins_[d] & left & ~group.members) != 0) return;
      auto next = group;
      next.members |= mask_of(d);
      grow(level, left, so_far, next, candidates & at_.neighbours[d] & ~first_devices(d + 1), size + 1);
    });
  }

  void keep(chosen_groups const& found) {
    if (!better(found, best_)) return;
    best_ = found;
    for (std::size_t l = 0; l < order_.size(); ++l) best_.groups[order_[l]] = found.groups[l];
  }

  link_matrix const& links_;
  device_mask available_;
  best_sets const& sets_;
  std::int64_t widest_ = 0, fullest_ = 0;
  chosen_groups best_;
  std::vector<std::size_t> order_, sizes_;
  threshold at_;
  std::array<device_mask, most_matrix_devices> lower_twins_{};
  std::size_t steps_ = 0;
};

}  // namespace gpuplace::detail
