#pragma once
/// @file
/// Splits over so many uneven devices that not every order can be tried: good orders, improved step by step.

#include <gpuplace/placement/solver/ordered_search.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace gpuplace {

/// Tries orders that are often good (as given, by memory, by speed, along the widest links) and improves the best by exchanging
/// devices. Not exact.
class wide_search {
public:
  explicit wide_search(split_problem const& problem) : problem_(&problem) {
    std::vector<std::size_t> order(problem.devices());
    std::iota(order.begin(), order.end(), std::size_t{0});
    orders_.push_back(order);
    auto const& group = problem.group();
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t d) { return problem.limit(d); });
    orders_.push_back(order);
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t d) { return group[d].memory_bandwidth; });
    orders_.push_back(order);
    for (auto const start : {orders_[0].front(), orders_[1].front(), orders_[2].front()}) orders_.push_back(along_links(start));
  }

  bool fits(stage_bound const& bound) const {
    return std::ranges::any_of(orders_, [&](auto const& order) { return ordered_search(*problem_, order).fits(bound); });
  }

  std::optional<found_split> least(stage_bound const& bound, split_cost const& cost) const {
    std::optional<found_split> best;
    std::vector<std::size_t> best_order;
    auto const consider = [&](std::vector<std::size_t> const& order) {
      auto found = ordered_search(*problem_, order).least(bound, cost, 0);
      if (!found || (best && found->cost >= best->cost)) return false;
      best = std::move(found);
      best_order = order;
      return true;
    };
    for (auto const& order : orders_) consider(order);
    if (best) improve(best_order, consider);
    return best;
  }

private:
  /// From `start` on always to the device that is reached fastest.
  std::vector<std::size_t> along_links(std::size_t start) const {
    std::vector<std::size_t> order{start}, left;
    for (std::size_t d = 0; d < problem_->devices(); ++d)
      if (d != start) left.push_back(d);
    while (!left.empty()) {
      auto const nearest =
          std::ranges::max_element(left, {}, [&](std::size_t d) { return problem_->way(order.back(), d).bandwidth.value(); });
      order.push_back(*nearest);
      left.erase(nearest);
    }
    return order;
  }

  /// Exchanges pairs as long as that helps, within a fixed number of tries.
  template <class Consider>
  void improve(std::vector<std::size_t> const& best, Consider consider) const {
    int tries = 64;
    for (bool better = true; better && tries > 0;) {
      better = false;
      auto const from = best;
      for (std::size_t a = 0; a < from.size() && !better; ++a)
        for (std::size_t b = a + 1; b < from.size() && !better && tries > 0; ++b) {
          if (problem_->alike(from[a], from[b]) && b != a + 1) continue;
          auto tried = from;
          std::swap(tried[a], tried[b]);
          --tries;
          better = consider(tried);
        }
    }
  }

  split_problem const* problem_;
  std::vector<std::vector<std::size_t>> orders_;
};

}  // namespace gpuplace
