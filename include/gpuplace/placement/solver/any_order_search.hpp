#pragma once
/// @file
/// Splits over devices in any order: a dynamic program over how many devices of each class are in use.

#include <gpuplace/placement/solver/device_classes.hpp>
#include <gpuplace/placement/solver/ordered_search.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace gpuplace {

/// The best order of devices, and the split over it; exact. Uneven devices cost a factor of two each, devices of one class are
/// interchangeable and cost little.
/// Source:     Held and Karp, "A Dynamic Programming Approach to Sequencing Problems" (1962), over class counts for sets of cities;
///             the windows that a memory limit leaves are swept with a monotone queue
class any_order_search {
public:
  explicit any_order_search(split_problem const& problem) : problem_(&problem), classes_(problem) {
    stride_.assign(classes_.size() + 1, 1);
    for (std::size_t c = 0; c < classes_.size(); ++c) stride_[c + 1] = stride_[c] * (classes_[c].size() + 1);
  }

  /// Whether any split over any order keeps the bounds. What reaches farther leaves less to the other devices: of each set of
  /// devices only the farthest end counts.
  /// Complexity: O(sets C + C U)
  bool fits(stage_bound const& bound) {
    find_ends(bound);
    if (std::ranges::find(whole_, true) != whole_.end()) return true;
    reach_.assign(stride_.back(), 0);
    for (std::size_t set = 1; set < reach_.size(); ++set) {
      for (std::size_t c = 0; c < classes_.size(); ++c)
        if (used(set, c) > 0) reach_[set] = std::max(reach_[set], ends_[c][reach_[set - stride_[c]]]);
      if (reach_[set] == problem_->size()) return true;
    }
    return false;
  }

  /// The split of least cost within the bounds.
  /// Complexity: O(sets C^2 U), times C where a shared head's way back has a price
  std::optional<found_split> least(stage_bound const& bound, split_cost const& cost) {
    find_ends(bound);
    auto best = whole(cost);
    bool const way_back_matters = problem_->head_returns() && cost.hop_second > 0;
    for (std::size_t home = 0; home < (way_back_matters ? classes_.size() : 1); ++home) {
      auto const where = way_back_matters ? std::optional(home) : std::nullopt;
      sweep(cost, where);
      if (last_ && (!best || last_->cost < best->cost)) best = {trace(cost, where), last_->cost};
    }
    if (best) problem_->return_head(best->spans);
    return best;
  }

private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  struct last_stage {
    double cost;
    std::size_t set, last;
  };

  std::size_t used(std::size_t set, std::size_t c) const { return set / stride_[c] % (classes_[c].size() + 1); }
  std::size_t width() const { return problem_->size() + 1; }
  std::size_t first_of(std::size_t c) const { return classes_[c].front(); }
  std::size_t row(std::size_t set, std::size_t c) const { return (set * classes_.size() + c) * width(); }

  void find_ends(stage_bound const& bound) {
    ends_.resize(classes_.size());
    whole_.assign(classes_.size(), false);
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      problem_->farthest_ends(first_of(c), bound, ends_[c]);
      whole_[c] = problem_->whole_fits(first_of(c), bound);
    }
  }

  std::optional<found_split> whole(split_cost const& cost) const {
    std::optional<found_split> best;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      if (!whole_[c]) continue;
      auto const price = problem_->stage_cost(first_of(c), 0, problem_->size(), cost);
      if (!best || price < best->cost) best = {{{.device = first_of(c), .first = 0, .last = problem_->size()}}, price};
    }
    return best;
  }

  /// What a hop from class `from` to class `to` costs after each unit; `second` of a class when both are the same.
  void price_hops(split_cost const& cost) {
    hops_.assign(classes_.size() * classes_.size() * width(), infinity);
    for (std::size_t a = 0; a < classes_.size(); ++a)
      for (std::size_t b = 0; b < classes_.size(); ++b) {
        if (a == b && classes_[a].size() < 2) continue;
        auto const to = a == b ? classes_[b][1] : first_of(b);
        for (std::size_t j = 1; j < width(); ++j)
          hops_[(a * classes_.size() + b) * width() + j] = problem_->hop_cost(first_of(a), to, j, cost);
      }
  }
  double const* hops(std::size_t a, std::size_t b) const { return hops_.data() + (a * classes_.size() + b) * width(); }

  /// Fills `best_`: for each set of devices, class of the last stage and end of that stage, the least cost.
  void sweep(split_cost const& cost, std::optional<std::size_t> home) {
    price_hops(cost);
    best_.assign(stride_.back() * classes_.size() * width(), infinity);
    last_.reset();
    std::vector<double> arrival(width());
    for (std::size_t set = 1; set < stride_.back(); ++set)
      for (std::size_t c = 0; c < classes_.size(); ++c) {
        if (used(set, c) == 0) continue;
        arrive(set - stride_[c], c, arrival);
        extend(c, arrival, cost, home, best_.data() + row(set, c));
        auto const total = best_[row(set, c) + problem_->size()] + way_back(c, home, cost);
        if (total < (last_ ? last_->cost : infinity)) last_ = {total, set, c};
      }
  }

  double way_back(std::size_t last, std::optional<std::size_t> home, split_cost const& cost) const {
    if (!problem_->head_returns()) return 0;
    if (!home) return cost.hop;
    return last == *home && classes_[last].size() < 2 ? 0.0 : hops(last, *home)[problem_->size()];
  }

  /// The least cost of having units [0, j) on the devices of `before` and being handed over to class `c`, for every j.
  void arrive(std::size_t before, std::size_t c, std::vector<double>& arrival) const {
    std::ranges::fill(arrival, infinity);
    if (before == 0) arrival[0] = 0;
    for (std::size_t l = 0; l < classes_.size(); ++l) {
      if (used(before, l) == 0) continue;
      auto const* from = best_.data() + row(before, l);
      auto const* hop = hops(l, c);
      for (std::size_t j = 1; j < width(); ++j) arrival[j] = std::min(arrival[j], from[j] + hop[j]);
    }
  }

  /// A stage of class `c` behind every arrival: `out[k]` is the least of arrival[j] + the stage [j, k), over the window of those
  /// j from which k can be reached.
  void extend(std::size_t c, std::vector<double> const& arrival, split_cost const& cost, std::optional<std::size_t> home,
              double* out) {
    auto const device = first_of(c);
    auto const& ends = ends_[c];
    queue_.clear();
    std::size_t head = 0, next = 0;
    for (std::size_t k = 1; k < width(); ++k) {
      for (; next < k; ++next) {
        if (arrival[next] == infinity) continue;
        auto const key = arrival[next] - problem_->stage_cost(device, 0, next, cost);
        while (queue_.size() > head && queue_.back().first >= key) queue_.pop_back();
        queue_.emplace_back(key, next);
      }
      while (head < queue_.size() && !allowed(c, queue_[head].second, k, ends, home)) ++head;
      if (head == queue_.size()) continue;
      out[k] = queue_[head].first + problem_->stage_cost(device, 0, k, cost);
    }
  }

  bool allowed(std::size_t c, std::size_t from, std::size_t to, std::vector<std::size_t> const& ends,
               std::optional<std::size_t> home) const {
    return ends[from] >= to && (!home || *home == c || !problem_->holds_home(from, to));
  }

  /// The stages of the best split, found again from the costs, from the last to the first.
  stages trace(split_cost const& cost, std::optional<std::size_t> home) const {
    stages spans;
    std::vector<std::size_t> of_class;
    std::vector<double> arrival(width());
    auto set = last_->set, c = last_->last;
    for (auto end = problem_->size(); end > 0; end = spans.back().first) {
      auto const before = set - stride_[c];
      arrive(before, c, arrival);
      spans.push_back({.device = 0, .first = cheapest_start(c, end, arrival, cost, home), .last = end});
      of_class.push_back(c);
      if (spans.back().first > 0) c = cheapest_previous(before, c, spans.back().first);
      set = before;
    }
    std::ranges::reverse(spans);
    std::vector<std::size_t> taken(classes_.size(), 0);
    for (std::size_t s = 0; s < spans.size(); ++s) {
      auto const which = of_class[spans.size() - 1 - s];
      spans[s].device = classes_[which][taken[which]++];
    }
    return spans;
  }

  std::size_t cheapest_start(std::size_t c, std::size_t end, std::vector<double> const& arrival, split_cost const& cost,
                             std::optional<std::size_t> home) const {
    double least = infinity;
    std::size_t start = 0;
    for (std::size_t j = 0; j < end; ++j) {
      if (arrival[j] == infinity || !allowed(c, j, end, ends_[c], home)) continue;
      auto const price = arrival[j] + problem_->stage_cost(first_of(c), j, end, cost);
      if (price < least) least = price, start = j;
    }
    return start;
  }

  std::size_t cheapest_previous(std::size_t before, std::size_t c, std::size_t boundary) const {
    double least = infinity;
    std::size_t previous = 0;
    for (std::size_t l = 0; l < classes_.size(); ++l) {
      if (used(before, l) == 0) continue;
      auto const price = best_[row(before, l) + boundary] + hops(l, c)[boundary];
      if (price < least) least = price, previous = l;
    }
    return previous;
  }

  split_problem const* problem_;
  device_classes classes_;
  std::vector<std::size_t> stride_;
  std::vector<std::vector<std::size_t>> ends_;
  std::vector<bool> whole_;
  std::vector<std::size_t> reach_;
  std::vector<double> hops_, best_;
  std::optional<last_stage> last_;
  std::vector<std::pair<double, std::size_t>> queue_;
};

}  // namespace gpuplace
