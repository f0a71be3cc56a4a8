#pragma once
/// @file
/// The questions that objectives ask of a split: does one fit, how small can the largest stage be, which one costs least.

#include <gpuplace/placement/solver/any_order_search.hpp>
#include <gpuplace/placement/solver/bounds.hpp>
#include <gpuplace/placement/solver/wide_search.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace {

/// Whether devices keep their order in the group, or the split may choose one.
enum class device_order { given, any };

/// Answers about all splits of a chain of units over a group, in its order or in any. Devices may stay idle.
/// Exact in the given order, and in any order as long as there are few classes of devices (up to ten uneven devices, hundreds
/// of like ones); beyond that `exact()` is false and `least` is the best of the orders that were tried.
class split_search {
public:
  split_search(std::span<unit const> units, device_group const& group, demand const& load, device_order order)
      : problem_(units, group, load), given_(group.size()) {
    std::iota(given_.begin(), given_.end(), std::size_t{0});
    if (order == device_order::given || group.size() < 2) return;
    device_classes const classes(problem_);
    if (classes.size() == 1) return;  // every order is the given one
    if (classes.sets(most_work) * classes.size() * classes.size() <= most_work) any_.emplace(problem_);
    else wide_.emplace(problem_);
  }
  split_search(split_search const&) = delete;
  split_search& operator=(split_search const&) = delete;

  split_problem const& problem() const { return problem_; }
  bool exact() const { return !wide_; }
  /// The step that times are of, see split_problem.
  void set_work(step_work const& work) { problem_.set_work(work); }

  bool fits(stage_bound const& bound) {
    if (any_) return any_->fits(bound);
    if (wide_) return wide_->fits(bound);
    return ordered_search(problem_, given_).fits(bound);
  }

  /// The least memory of the largest stage, to the byte; nothing where no split fits.
  std::optional<bytes> least_memory() {
    if (!fits({})) return std::nullopt;
    bytes largest;
    for (std::size_t d = 0; d < problem_.devices(); ++d) largest = std::max(largest, problem_.limit(d));
    auto high = std::min(problem_.need(0, problem_.size()), largest);
    auto low = largest_stage_bound(problem_);
    if (fits({.memory = low})) return low;
    while (high - low > bytes{1}) {
      auto const middle = low + bytes{(high - low).count() / 2};
      (fits({.memory = middle}) ? high : low) = middle;
    }
    return high;
  }

  /// The split of least cost within the bounds; in the given order the most even one of those, to a part in a thousand million.
  std::optional<found_split> least(stage_bound const& bound, split_cost const& cost) {
    if (any_) return any_->least(bound, cost);
    if (wide_) return wide_->least(bound, cost);
    auto const scale = cost.hop + cost.stage_second * step_bound(problem_).count();
    return ordered_search(problem_, given_).least(bound, cost, small * (scale > 0 ? scale : 1.0));
  }

  /// Of the splits over the same devices in the same order, within the same bounds and of the same cost, that whose stages are
  /// most even in memory.
  found_split evened(found_split const& found, stage_bound const& bound, split_cost const& cost) const {
    std::vector<std::size_t> order;
    for (auto const& s : found.spans)
      if (s.first < problem_.size()) order.push_back(s.device);
    if (order.size() < 2 || (!any_ && !wide_)) return found;
    auto even = ordered_search(problem_, order).least(bound, cost, small * (found.cost > 0 ? found.cost : 1.0));
    if (!even) return found;
    even->cost = found.cost;
    return *std::move(even);
  }

private:
  static constexpr double small = 1e-9;  ///< beside any difference that matters
  static constexpr std::size_t most_work = std::size_t{1} << 17;

  split_problem problem_;
  std::vector<std::size_t> given_;
  std::optional<any_order_search> any_;
  std::optional<wide_search> wide_;
};

}  // namespace gpuplace
