#pragma once
/// @file
/// What `optimal<Objective>` can make small.

#include <gpuplace/placement/micro_batches.hpp>
#include <gpuplace/placement/solver/bounds.hpp>
#include <gpuplace/placement/solver/split_search.hpp>
#include <gpuplace/placement/split_objective.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace gpuplace {

/// The split of least cost within the bounds, and of those the most even one.
inline std::optional<found_split> least_even(split_search& search, stage_bound const& bound, split_cost const& cost) {
  auto const found = search.least(bound, cost);
  if (!found) return std::nullopt;
  return search.evened(*found, bound, cost);
}

/// The largest device's bytes; ties to fewer hops, then to faster ones. Value: bytes.
struct balance_memory {
  static constexpr std::string_view name = "balance_memory";
  std::optional<found_split> solve(split_search& search) const {
    auto const largest = search.least_memory();
    if (!largest) return std::nullopt;
    auto found = least_even(search, {.memory = *largest}, {.hop = 1, .hop_second = 1e-3});
    if (found) found->cost = static_cast<double>(largest->count());
    return found;
  }
  double bound(split_problem const& problem) const { return static_cast<double>(largest_stage_bound(problem).count()); }
};
static_assert(check_split_objective<balance_memory>());

/// The time of one step from the first stage to the last: what a single stream waits for a token. Value: seconds.
struct latency {
  static constexpr std::string_view name = "latency";
  std::optional<found_split> solve(split_search& search) const {
    return least_even(search, {}, {.hop_second = 1, .stage_second = 1});
  }
  double bound(split_problem const& problem) const { return step_bound(problem).count(); }
};
static_assert(check_split_objective<latency>());

/// The number of devices in use, of equals the time of a step. Value: devices.
struct fewest_devices {
  static constexpr std::string_view name = "fewest_devices";
  std::optional<found_split> solve(split_search& search) const {
    constexpr double more_than_any_step = 1e4;  // seconds
    auto found = least_even(search, {}, {.hop = more_than_any_step, .hop_second = 1, .stage_second = 1});
    if (!found) return std::nullopt;
    std::vector<std::size_t> used;
    for (auto const& s : found->spans) used.push_back(s.device);
    std::ranges::sort(used);
    found->cost = static_cast<double>(std::unique(used.begin(), used.end()) - used.begin());
    return found;
  }
  double bound(split_problem const& problem) const { return static_cast<double>(fewest_devices_bound(problem)); }
};
static_assert(check_split_objective<fewest_devices>());

/// The time from one token of every sequence to the next, with as many micro-batches as is best: the slowest stage serves each of
/// them in turn. Value: seconds.
struct throughput {
  static constexpr std::string_view name = "throughput";

  std::optional<found_split> solve(split_search& search) const {
    auto const counts = promising_counts(search.problem());
    search.set_work(work_of(search.problem(), 1));
    pipelined_best best{search.least({}, one_step), 1};
    if (!best.split) return std::nullopt;
    // Good values from one order of devices first: most numbers of micro-batches then need a single look at all orders.
    ordered_search const one_order(search.problem(), order_of(search.problem(), *best.split));
    for (auto const& [bound, count] : counts) {
      if (count == 1) continue;
      search.set_work(work_of(search.problem(), count));
      improve(best, search.problem(), count, [&](stage_bound const& b) { return one_order.least(b, one_step, 0); });
    }
    for (auto const& [bound, count] : counts) {
      if (bound >= best.split->cost) break;
      if (count == 1) continue;
      search.set_work(work_of(search.problem(), count));
      improve(best, search.problem(), count, [&](stage_bound const& b) { return search.least(b, one_step); });
    }
    search.set_work(work_of(search.problem(), best.count));
    return search.evened(*best.split, {.time = seconds{best.split->cost / static_cast<double>(best.count)}}, one_step);
  }

  double bound(split_problem const& problem) const { return promising_counts(problem).front().first; }

private:
  static constexpr split_cost one_step{.hop_second = 1, .stage_second = 1};

  static step_work work_of(split_problem const& problem, std::int64_t count) {
    auto const& load = problem.load();
    return step_work::decode(static_cast<double>(micro_batch_size(load.sequences, count)), static_cast<double>(load.context));
  }

  /// Numbers of micro-batches with a value that none of their splits is below, the most promising first.
  static std::vector<std::pair<double, std::int64_t>> promising_counts(split_problem problem) {
    std::vector<std::pair<double, std::int64_t>> counts;
    for (auto const count : micro_batch_counts(problem.load().sequences, problem.devices())) {
      problem.set_work(work_of(problem, count));
      auto const busiest = static_cast<double>(count) * slowest_stage_bound(problem).count();
      counts.emplace_back(std::max(busiest, step_bound(problem).count()), count);
    }
    std::ranges::sort(counts);
    return counts;
  }

  static double slowest(split_problem const& problem, stages const& spans) {
    double most = 0;
    for (auto const& s : spans)
      if (s.first < problem.size())
        most = std::max(most, problem.time(s.device, s.first, std::min(s.last, problem.size())).count());
    return most;
  }

  static std::vector<std::size_t> order_of(split_problem const& problem, found_split const& split) {
    std::vector<std::size_t> order;
    for (auto const& s : split.spans)
      if (s.first < problem.size()) order.push_back(s.device);
    for (std::size_t d = 0; d < problem.devices(); ++d)
      if (std::ranges::find(order, d) == order.end()) order.push_back(d);
    return order;
  }

  struct pipelined_best {
    std::optional<found_split> split;
    std::int64_t count;
  };

  /// The least of max(count x slowest stage, whole step). A better split than the best has its slowest stage below best / count:
  /// asks for the shortest step under that bound, and halfway to where no step can be, until there is none.
  /// @param shortest  gives the shortest step under a bound
  template <class Shortest>
  static void improve(pipelined_best& best, split_problem const& problem, std::int64_t count, Shortest shortest) {
    auto const times = static_cast<double>(count);
    auto const better = [&](double longest) {
      auto split = shortest({.time = seconds{longest}});
      if (!split || split->cost >= best.split->cost) return false;
      split->cost = std::max(times * slowest(problem, split->spans), split->cost);
      if (split->cost < best.split->cost) best = {std::move(split), count};
      return true;
    };
    constexpr double just_below = 1 - 1e-9;
    for (double low = step_bound(problem).count() / times; low < best.split->cost / times * just_below;) {
      if (!better(best.split->cost / times * just_below)) return;
      if (auto const middle = low + (best.split->cost / times - low) / 2; !better(middle)) low = middle;
    }
  }
};
static_assert(check_split_objective<throughput>());

}  // namespace gpuplace
