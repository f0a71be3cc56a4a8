#pragma once
/// @file
/// Splits over devices in a given order, some of which may stay idle.

#include <gpuplace/placement/solver/split_problem.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace gpuplace {

/// A split and what it costs.
struct found_split {
  stages spans;
  double cost = 0;
};

/// The best splits over devices that keep their order; exact.
class ordered_search {
public:
  /// @param order  devices of the problem, the first stage's first
  ordered_search(split_problem const& problem, std::span<std::size_t const> order)
      : problem_(&problem),
        order_(order.begin(), order.end()),
        one_byte_(1.0 / static_cast<double>(std::max<std::int64_t>(1, problem.need(0, problem.size()).count()))) {}

  /// Whether any split keeps the bounds.
  /// Complexity: O(D + U)
  bool fits(stage_bound const& bound) const {
    std::size_t reach = 0;
    for (auto const d : order_) {
      if (problem_->whole_fits(d, bound)) return true;
      reach = problem_->farthest_end(d, bound, reach);
    }
    return reach == problem_->size();
  }

  /// The split of least cost within the bounds; of equal ones that with the most even stages.
  /// @param evenness  cost of all bytes on one device, small beside any difference that matters
  /// Complexity: O(D^2 U + D U^2), times D where a shared head's way back has a price
  std::optional<found_split> least(stage_bound const& bound, split_cost const& cost, double evenness) const {
    auto best = whole(bound, cost, evenness);
    bool const way_back_matters = problem_->head_returns() && cost.hop_second > 0;
    for (std::size_t home = 0; home < (way_back_matters ? order_.size() : 1); ++home) {
      auto found = split(bound, cost, evenness, way_back_matters ? std::optional(home) : std::nullopt);
      if (found && (!best || found->cost < best->cost)) best = std::move(found);
    }
    return best;
  }

private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  struct step {
    std::size_t from = 0;      ///< boundary
    std::size_t previous = 0;  ///< place in the order; its size: none
  };

  double uneven(std::size_t first, std::size_t last, double evenness) const {
    auto const share = static_cast<double>(problem_->need(first, last).count()) * one_byte_;
    return evenness * share * share;
  }

  std::optional<found_split> whole(stage_bound const& bound, split_cost const& cost, double evenness) const {
    std::optional<found_split> best;
    auto const all = problem_->size();
    for (auto const d : order_) {
      if (!problem_->whole_fits(d, bound)) continue;
      auto const price = problem_->stage_cost(d, 0, all, cost) + uneven(0, all, evenness);
      if (!best || price < best->cost) best = {{{.device = d, .first = 0, .last = problem_->units().size()}}, price};
    }
    return best;
  }

  /// @param home  the place of the device that a shared head returns to, where that has a price
  std::optional<found_split> split(stage_bound const& bound, split_cost const& cost, double evenness,
                                   std::optional<std::size_t> home) const {
    auto const units = problem_->size();
    auto const width = units + 1;
    std::vector<double> best(order_.size() * width, infinity), arrival(width);
    std::vector<step> steps(order_.size() * width);
    std::vector<std::size_t> ends, arrived_from(width);
    for (std::size_t p = 0; p < order_.size(); ++p) {
      auto const d = order_[p];
      problem_->farthest_ends(d, bound, ends);
      arrive(p, best, cost, arrival, arrived_from);
      for (std::size_t from = 0; from < units; ++from) {
        if (arrival[from] == infinity) continue;
        for (auto to = from + 1; to <= ends[from]; ++to) {
          if (home && *home != p && problem_->holds_home(from, to)) break;
          auto const price = arrival[from] + problem_->stage_cost(d, from, to, cost) + uneven(from, to, evenness);
          if (price < best[p * width + to]) best[p * width + to] = price, steps[p * width + to] = {from, arrived_from[from]};
        }
      }
    }
    return traced(best, steps, cost, home);
  }

  /// The least cost of having units [0, from) on devices before place `p` and being handed over to it.
  void arrive(std::size_t p, std::vector<double> const& best, split_cost const& cost, std::vector<double>& arrival,
              std::vector<std::size_t>& arrived_from) const {
    auto const width = problem_->size() + 1;
    std::ranges::fill(arrival, infinity);
    arrival[0] = 0;
    arrived_from[0] = order_.size();
    for (std::size_t q = 0; q < p; ++q)
      for (std::size_t from = 1; from + 1 < width; ++from) {
        if (best[q * width + from] == infinity) continue;
        auto const price = best[q * width + from] + problem_->hop_cost(order_[q], order_[p], from, cost);
        if (price < arrival[from]) arrival[from] = price, arrived_from[from] = q;
      }
  }

  double way_back(std::size_t last, std::optional<std::size_t> home, split_cost const& cost) const {
    if (!problem_->head_returns()) return 0;
    if (!home) return cost.hop;
    return last == *home ? 0.0 : problem_->hop_cost(order_[last], order_[*home], problem_->size(), cost);
  }

  std::optional<found_split> traced(std::vector<double> const& best, std::vector<step> const& steps, split_cost const& cost,
                                    std::optional<std::size_t> home) const {
    auto const width = problem_->size() + 1;
    found_split found{{}, infinity};
    std::size_t at = order_.size();
    for (std::size_t p = 0; p < order_.size(); ++p) {
      auto const price = best[p * width + problem_->size()] + way_back(p, home, cost);
      if (price < found.cost) found.cost = price, at = p;
    }
    if (at == order_.size()) return std::nullopt;
    for (auto to = problem_->size(); at != order_.size();) {
      auto const& s = steps[at * width + to];
      found.spans.insert(found.spans.begin(), {.device = order_[at], .first = s.from, .last = to});
      to = s.from;
      at = s.previous;
    }
    problem_->return_head(found.spans);
    return found;
  }

  split_problem const* problem_;
  std::vector<std::size_t> order_;
  double one_byte_;  ///< as a share of the whole model
};

}  // namespace gpuplace
