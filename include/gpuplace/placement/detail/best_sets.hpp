#pragma once
/// @file
/// The best-linked set of every size among a few devices.

#include <gpuplace/placement/detail/link_matrix.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// A set of devices and what its links are worth.
struct chosen_set {
  bool possible = false;
  std::int64_t worst = std::numeric_limits<std::int64_t>::max();  ///< width of the worst pair
  std::int64_t score = 0;                                         ///< of all pairs
  std::int64_t degree = 0;                                        ///< what its members have in all: what the others lose
  device_mask members = 0;
};

/// More bandwidth in all, then less taken from the others, then the view's order.
constexpr bool fuller(chosen_set const& a, chosen_set const& b) {
  if (a.possible != b.possible) return a.possible;
  if (a.score != b.score) return a.score > b.score;
  if (a.degree != b.degree) return a.degree < b.degree;
  return comes_first(a.members, b.members);
}

/// A wider worst pair; of equals the fuller.
constexpr bool wider(chosen_set const& a, chosen_set const& b) {
  if (a.possible && b.possible && a.worst != b.worst) return a.worst > b.worst;
  return fuller(a, b);
}

/// `[m]` is the best set of m devices: by its worst pair, and by its total alone.
struct best_sets {
  std::vector<chosen_set> widest, fullest;
  bool exact = true;
};

/// All sets of at most eight devices with their values, to see what a choice leaves.
class small_block {
public:
  small_block(link_matrix const& links, device_mask block) {
    for_each_device(block, [&](std::size_t d) { members_[size_++] = d; });
    for (std::size_t set = 1; set < sets(); ++set) {
      auto const last = std::bit_width(set) - 1;
      auto const before = set ^ (std::size_t{1} << last);
      auto& made = values_[set] = values_[before];
      for_each_device(before, [&](std::size_t other) {
        auto const& link = links(members_[static_cast<std::size_t>(last)], members_[other]);
        made.worst = std::min(made.worst, link.width);
        made.score += link.score;
      });
    }
  }
  static constexpr std::size_t most_devices = 8;

  /// Of all sets as good as `found` the one whose rest keeps the best groups of four, then of two; then the one with the smaller
  /// degree and the view's order.
  template <class Degree>
  void prefer_by_rest(chosen_set& found, device_mask required, Degree degree) const {
    if (!found.possible || found.members == 0) return;
    auto best = rest_of(local(found.members));
    for (std::size_t set = 1; set < sets(); ++set) {
      if (count_of(set) != count_of(found.members)) continue;
      if (values_[set].worst != found.worst || values_[set].score != found.score) continue;
      chosen_set other{true, found.worst, found.score, 0, global(set)};
      if ((required & ~other.members) != 0) continue;
      other.degree = degree(other.members);
      auto const rest = rest_of(set);
      if (rest < best || (rest == best && !fuller(other, found))) continue;
      found = other, best = rest;
    }
  }

private:
  struct value {
    std::int64_t worst = std::numeric_limits<std::int64_t>::max();
    std::int64_t score = 0;
    friend auto operator<=>(value const&, value const&) = default;
  };
  using rest_value = std::array<value, 2>;

  std::size_t sets() const { return std::size_t{1} << size_; }
  std::size_t local(device_mask members) const {
    std::size_t set = 0;
    for (std::size_t i = 0; i < size_; ++i)
      if (members & mask_of(members_[i])) set |= std::size_t{1} << i;
    return set;
  }
  device_mask global(std::size_t set) const {
    device_mask members = 0;
    for_each_device(set, [&](std::size_t i) { members |= mask_of(members_[i]); });
    return members;
  }
  rest_value rest_of(std::size_t set) const {
    rest_value best{value{-1, 0}, value{-1, 0}};
    auto const rest = (sets() - 1) & ~set;
    for (auto left = rest; left != 0; left = (left - 1) & rest) {
      auto const devices = count_of(left);
      if (devices == 4) best[0] = std::max(best[0], values_[left]);
      if (devices == 2) best[1] = std::max(best[1], values_[left]);
    }
    return best;
  }

  std::size_t size_ = 0;
  std::array<std::size_t, most_devices> members_{};
  std::array<value, std::size_t{1} << most_devices> values_{};
};

/// Finds the best sets by taking the devices apart: where they fall into parts with the same, worst link between every two of
/// different parts, a set is made of sets of the parts; a part that does not fall apart is searched.
class set_finder {
public:
  /// @param most      largest set that is wanted       @param required  members of every set
  /// @param only      devices of which no smaller set is wanted, only the largest
  set_finder(link_matrix const& links, std::size_t most, device_mask required, device_mask only)
      : links_(links), most_(most), required_(required), only_(only) {}

  best_sets of(device_mask devices) {
    if (count_of(devices) == 1) return of_one(devices);
    auto const weakest = weakest_link(devices);
    auto const parts = parts_above(devices, weakest.score);
    if (parts.size() > 1) return of_parts(parts, weakest);
    return count_of(devices) <= most_searched ? searched(devices) : grown(devices);
  }

private:
  static constexpr std::size_t most_searched = 16;

  std::size_t table(device_mask devices) const { return std::min(most_, count_of(devices)) + 1; }

  best_sets of_one(device_mask device) const {
    chosen_set const none{.possible = (device & required_) == 0},
        one{.possible = true, .degree = degree(device), .members = device};
    std::vector<chosen_set> sets{none};
    if (most_ > 0) sets.push_back(one);
    return {sets, sets, true};
  }

  std::int64_t degree(device_mask devices) const {
    std::int64_t sum = 0;
    for_each_device(devices, [&](std::size_t d) { sum += links_.degree(d); });
    return sum;
  }

  link_value weakest_link(device_mask devices) const {
    link_value weakest{.width = 0, .score = std::numeric_limits<std::int64_t>::max()};
    for_each_device(devices, [&](std::size_t i) {
      for_each_device(devices & ~first_devices(i + 1), [&](std::size_t j) {
        if (links_(i, j).score < weakest.score) weakest = links_(i, j);
      });
    });
    return weakest;
  }

  /// The devices that are joined by links better than `score`.
  std::vector<device_mask> parts_above(device_mask devices, std::int64_t score) const {
    std::vector<device_mask> parts;
    while (devices != 0) {
      device_mask part = 0, reached = mask_of(lowest(devices));
      while (reached != 0) {
        auto const i = lowest(reached);
        part |= mask_of(i);
        devices &= ~mask_of(i);
        reached &= ~mask_of(i);
        for_each_device(devices & ~reached, [&](std::size_t j) {
          if (links_(i, j).score > score) reached |= mask_of(j);
        });
      }
      parts.push_back(part);
    }
    return parts;
  }

  /// A set in several parts has the link between parts as its worst pair, whatever it takes of each: the fullest sets of the parts
  /// make the fullest. A set in one part is that part's widest.
  best_sets of_parts(std::vector<device_mask> const& parts, link_value const& between) {
    std::vector<best_sets> inside;
    device_mask all = 0;
    bool exact = true;
    for (auto const part : parts) {
      inside.push_back(of(part));
      exact = exact && inside.back().exact;
      all |= part;
    }
    std::vector<chosen_set> fullest{{.possible = true}};
    for (auto const& sets : inside) fullest = joined(fullest, sets.fullest, between);
    fullest.resize(table(all));
    auto widest = fullest;
    std::size_t must_take = 0;
    for (auto const& sets : inside) must_take += sets.fullest[0].possible ? 0 : 1;
    for (auto const& sets : inside) {
      if (must_take > 1 || (must_take == 1 && sets.fullest[0].possible)) continue;
      for (std::size_t m = 1; m < sets.widest.size(); ++m)
        if (wider(sets.widest[m], widest[m])) widest[m] = sets.widest[m];
    }
    return {std::move(widest), std::move(fullest), exact};
  }

  std::vector<chosen_set> joined(std::vector<chosen_set> const& a, std::vector<chosen_set> const& b,
                                 link_value const& between) const {
    std::vector<chosen_set> made(std::min(most_ + 1, a.size() + b.size() - 1));
    for (std::size_t i = 0; i < a.size(); ++i)
      for (std::size_t j = 0; j < b.size() && i + j < made.size(); ++j) {
        if (!a[i].possible || !b[j].possible) continue;
        chosen_set sum{true, std::min(a[i].worst, b[j].worst),
                       a[i].score + b[j].score + static_cast<std::int64_t>(i * j) * between.score, a[i].degree + b[j].degree,
                       a[i].members | b[j].members};
        if (i > 0 && j > 0) sum.worst = std::min(sum.worst, between.width);
        if (fuller(sum, made[i + j])) made[i + j] = sum;
      }
    return made;
  }

  best_sets searched(device_mask devices) const {
    best_sets found{std::vector<chosen_set>(table(devices)), std::vector<chosen_set>(table(devices)), true};
    auto const required = required_ & devices;
    search(devices, required, {.possible = true}, devices == only_ ? most_ : 0, found);
    if (count_of(devices) > small_block::most_devices) return found;
    small_block const block(links_, devices);
    auto const degree_of = [&](device_mask members) { return degree(members); };
    for (std::size_t m = 1; m < found.widest.size(); ++m) {
      bool const same = found.widest[m].members == found.fullest[m].members;
      block.prefer_by_rest(found.widest[m], required, degree_of);
      if (same) found.fullest[m] = found.widest[m];
      else block.prefer_by_rest(found.fullest[m], required, degree_of);
    }
    return found;
  }

  /// @param least  size of the smallest set that is wanted
  void search(device_mask left, device_mask required, chosen_set const& set, std::size_t least, best_sets& found) const {
    auto const size = count_of(set.members);
    if (size + count_of(left) < least) return;
    if (size >= least && (required & ~set.members) == 0) {
      if (wider(set, found.widest[size])) found.widest[size] = set;
      if (fuller(set, found.fullest[size])) found.fullest[size] = set;
    }
    if (size + 1 == found.widest.size()) return;
    for_each_device(left, [&](std::size_t d) { search(left & ~first_devices(d + 1), required, with(set, d), size + 1, found); });
  }

  chosen_set with(chosen_set set, std::size_t device) const {
    for_each_device(set.members, [&](std::size_t other) {
      set.worst = std::min(set.worst, links_(device, other).width);
      set.score += links_(device, other).score;
    });
    set.degree += links_.degree(device);
    set.members |= mask_of(device);
    return set;
  }

  /// From every device on, one more at a time, always the one that is best for the set.
  best_sets grown(device_mask devices) const {
    best_sets found{std::vector<chosen_set>(table(devices)), std::vector<chosen_set>(table(devices)), false};
    auto const required = required_ & devices;
    auto const grow = [&](chosen_set set) {
      for (auto size = count_of(set.members); size < found.widest.size(); ++size) {
        if (wider(set, found.widest[size])) found.widest[size] = set;
        if (fuller(set, found.fullest[size])) found.fullest[size] = set;
        chosen_set best;
        for_each_device(devices & ~set.members, [&](std::size_t d) {
          if (auto const next = with(set, d); wider(next, best)) best = next;
        });
        set = best;
      }
    };
    chosen_set start{.possible = true};
    for_each_device(required, [&](std::size_t d) { start = with(start, d); });
    if (required != 0) return grow(start), found;
    found.widest[0] = found.fullest[0] = start;
    for_each_device(devices, [&](std::size_t d) { grow(with(start, d)); });
    return found;
  }

  link_matrix const& links_;
  std::size_t most_;
  device_mask required_, only_;
};

/// The best sets of up to `most` of `devices` that hold all of `required`.
/// Complexity: O(D^2 V + D most) for V different links, where parts that do not fall apart have one device; such a part of P
///             devices adds O(2^P) up to 16, and O(P^2 most) above, which then is no longer exact
inline best_sets find_best_sets(link_matrix const& links, device_mask devices, std::size_t most, device_mask required = 0) {
  if (devices == 0) return {{{.possible = true}}, {{.possible = true}}, true};
  return set_finder(links, most, required, 0).of(devices);
}

/// The best set of `size` of `devices` that holds all of `required`; `exact`: whether there is none better.
inline std::pair<chosen_set, bool> find_best_set(link_matrix const& links, device_mask devices, std::size_t size,
                                                 device_mask required = 0) {
  if (devices == 0) return {{.possible = true}, true};
  auto const found = set_finder(links, size, required, devices).of(devices);
  return {found.widest[size], found.exact};
}

}  // namespace gpuplace::detail
