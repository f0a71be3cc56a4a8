#pragma once
/// @file
/// Adapters onto instances, so that the busiest instance has as little as can be.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// An adapter as the assignment sees it.
struct adapter_load {
  double load = 1;
  std::size_t copies = 0;            ///< 0: as many as make it no hotter than its instances on average
  std::vector<std::size_t> allowed;  ///< instances that may hold it
};

/// Which adapters each instance holds.
struct adapter_assignment {
  std::vector<std::vector<std::size_t>> held;  ///< adapters of each instance, in their order
  std::vector<std::size_t> copies;             ///< of each adapter
  double worst = 0;                            ///< load of the busiest instance
  double least = 0;                            ///< no assignment of these copies has less
  bool exact = false;                          ///< `worst` is the least there is
};

/// Least-worst assignment of adapters' copies, each with an equal part of its adapter's load, to instances with so many slots.
/// Hot adapters get their copies first; then the longest processing time first, then all assignments, as far as the steps go: that
/// is exact for a dozen copies, and beyond it where a bound says so.
class adapter_search {
public:
  /// @param slots  adapters that an instance holds at most
  adapter_search(std::span<adapter_load const> adapters, std::size_t instances, std::size_t slots)
      : adapters_(adapters), instances_(instances), slots_(slots) {}

  /// None: no assignment has room, or an adapter needs more instances than it may use.
  std::optional<adapter_assignment> solve() {
    if (!take_given_copies()) return std::nullopt;
    auto const given = copies_;
    copy_hot_adapters();
    auto found = assign();
    if (found || copies_ == given) return found;
    copies_ = given;  // the further copies took slots that others need
    return assign();
  }

private:
  static constexpr std::size_t few_pieces = 16, most_steps_of_few = 500'000, most_steps = 20'000;
  static constexpr double tolerance = 1e-12;

  struct piece {
    std::size_t adapter = 0;
    double load = 0;
  };
  /// What the instances hold so far.
  struct state {
    std::vector<double> load;
    std::vector<std::size_t> used;
    std::vector<char> held;  ///< `[instance * adapters + adapter]`
  };

  std::optional<adapter_assignment> assign() {
    make_pieces();
    find_kinds();
    best_.clear();
    steps_ = 0;
    now_ = {std::vector<double>(instances_), std::vector<std::size_t>(instances_),
            std::vector<char>(instances_ * adapters_.size())};
    auto const empty = now_;
    auto const least = bound();
    place_longest_first();
    now_ = empty;
    if (best_.empty() || !reaches(least)) search(0, least);
    if (best_.empty()) return std::nullopt;
    adapter_assignment made{std::vector<std::vector<std::size_t>>(instances_), copies_, best_worst_, least,
                            reaches(least) || !out_of_steps()};
    if (made.exact) made.least = made.worst;
    for (std::size_t i = 0; i < instances_; ++i)
      for (std::size_t a = 0; a < adapters_.size(); ++a)
        if (best_[i * adapters_.size() + a]) made.held[i].push_back(a);
    return made;
  }

  bool reaches(double least) const { return best_worst_ <= least * (1 + tolerance); }
  bool out_of_steps() const { return steps_ > (pieces_.size() <= few_pieces ? most_steps_of_few : most_steps); }

  double part(std::size_t a) const { return adapters_[a].load / static_cast<double>(copies_[a]); }

  bool take_given_copies() {
    copies_.clear();
    std::size_t total = 0;
    for (auto const& a : adapters_) {
      copies_.push_back(std::max<std::size_t>(1, a.copies));
      if (copies_.back() > a.allowed.size()) return false;
      total += copies_.back();
    }
    return total <= room();
  }

  std::size_t room() const {
    auto const most = std::numeric_limits<std::size_t>::max();
    return slots_ > most / std::max<std::size_t>(1, instances_) ? most : slots_ * instances_;
  }

  /// Of those whose copies are not given one more for the hottest, as long as a copy of it is above its instances' average and
  /// there is a slot left.
  void copy_hot_adapters() {
    double all = 0;
    std::vector<double> sharing(adapters_.size());
    for (auto const& a : adapters_) all += a.load;
    for (std::size_t a = 0; a < adapters_.size(); ++a) sharing[a] = average(a, all);
    for (auto total = std::accumulate(copies_.begin(), copies_.end(), std::size_t{0}); total < room(); ++total) {
      std::optional<std::size_t> hottest;
      for (std::size_t a = 0; a < adapters_.size(); ++a) {
        bool const may_grow = adapters_[a].copies == 0 && copies_[a] < adapters_[a].allowed.size() && part(a) > sharing[a];
        if (may_grow && (!hottest || part(a) > part(*hottest))) hottest = a;
      }
      if (!hottest) return;
      ++copies_[*hottest];
    }
  }

  /// Load of the instances that adapter `a` may use if those that may use the same share theirs.
  double average(std::size_t a, double all) const {
    auto const& allowed = adapters_[a].allowed;
    double own = 0;
    for (auto const& other : adapters_)
      if (other.allowed == allowed) own += other.load;
    return std::max(own / static_cast<double>(allowed.size()), all / static_cast<double>(instances_)) * (1 + tolerance);
  }

  void make_pieces() {
    pieces_.clear();
    for (std::size_t a = 0; a < adapters_.size(); ++a)
      for (std::size_t c = 0; c < copies_[a]; ++c) pieces_.push_back({a, part(a)});
    std::ranges::stable_sort(pieces_, std::greater<>{}, &piece::load);
  }

  /// No instance has less than the largest piece, than the average of all, or than the average of those which only some may hold.
  double bound() const {
    double least = 0, all = 0;
    for (std::size_t a = 0; a < adapters_.size(); ++a) {
      least = std::max(least, part(a));
      all += adapters_[a].load;
      double own = 0;
      for (auto const& other : adapters_)
        if (std::ranges::includes(adapters_[a].allowed, other.allowed)) own += other.load;
      least = std::max(least, own / static_cast<double>(adapters_[a].allowed.size()));
    }
    return std::max(least, all / static_cast<double>(instances_));
  }

  char& held(std::size_t instance, std::size_t adapter) { return now_.held[instance * adapters_.size() + adapter]; }
  bool has_room(std::size_t instance, std::size_t adapter) { return now_.used[instance] < slots_ && !held(instance, adapter); }
  void put(piece const& p, std::size_t instance) {
    now_.load[instance] += p.load;
    ++now_.used[instance];
    held(instance, p.adapter) = 1;
  }
  void take_back(piece const& p, std::size_t instance, double before) {
    now_.load[instance] = before;
    --now_.used[instance];
    held(instance, p.adapter) = 0;
  }
  void keep() {
    auto const worst = *std::ranges::max_element(now_.load);
    if (!best_.empty() && worst >= best_worst_) return;
    best_ = now_.held;
    best_worst_ = worst;
  }

  void place_longest_first() {
    for (auto const& p : pieces_) {
      std::optional<std::size_t> lightest;
      for (auto const i : adapters_[p.adapter].allowed)
        if (has_room(i, p.adapter) && (!lightest || now_.load[i] < now_.load[*lightest])) lightest = i;
      if (!lightest) return;
      put(p, *lightest);
    }
    keep();
  }

  /// Instances that may hold the same adapters are of one kind.
  void find_kinds() {
    std::map<std::vector<bool>, std::size_t> known;
    kinds_.clear();
    for (std::size_t i = 0; i < instances_; ++i) {
      std::vector<bool> may_hold;
      for (auto const& a : adapters_) may_hold.push_back(std::ranges::binary_search(a.allowed, i));
      kinds_.push_back(known.emplace(std::move(may_hold), known.size()).first->second);
    }
  }

  /// Of the empty instances of a kind one is tried; copies of one adapter go to instances in ascending order.
  void search(std::size_t next, double least) {
    ++steps_;
    if (out_of_steps() || (!best_.empty() && reaches(least))) return;
    if (next == pieces_.size()) return keep();
    auto const& p = pieces_[next];
    std::optional<std::size_t> after;
    if (next > 0 && pieces_[next - 1].adapter == p.adapter)
      for (auto const i : adapters_[p.adapter].allowed)
        if (held(i, p.adapter)) after = i;
    std::vector<bool> tried(instances_);
    for (auto const i : adapters_[p.adapter].allowed) {
      if (!has_room(i, p.adapter) || (after && i < *after)) continue;
      if (!best_.empty() && now_.load[i] + p.load >= best_worst_ * (1 - tolerance)) continue;
      bool const any_empty = now_.used[i] == 0 && copies_[p.adapter] == 1;
      if (any_empty && tried[kinds_[i]]) continue;
      if (any_empty) tried[kinds_[i]] = true;
      auto const before = now_.load[i];
      put(p, i);
      search(next + 1, least);
      take_back(p, i, before);
    }
  }

  std::span<adapter_load const> adapters_;
  std::size_t instances_, slots_;
  std::vector<std::size_t> copies_;
  std::vector<piece> pieces_;
  std::vector<std::size_t> kinds_;  ///< of each instance
  state now_;
  std::vector<char> best_;
  double best_worst_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace gpuplace::detail
