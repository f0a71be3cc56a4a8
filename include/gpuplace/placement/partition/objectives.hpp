#pragma once
/// @file
/// What `optimal<Objective>` can make small.

#include <gpuplace/core/named.hpp>
#include <gpuplace/placement/micro_batches.hpp>
#include <gpuplace/placement/solver/split_search.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace gpuplace {

/// `o.solve(search)` gives the best split by this objective, with its value as the cost; nothing where no split fits.
template <class O>
concept has_solve = requires(O const& o, split_search& search) {
  { o.solve(search) } -> std::same_as<std::optional<found_split>>;
};

/// What makes one split better than another.
template <class O>
concept split_objective = has_name<O> && has_solve<O> && std::copy_constructible<O>;

/// True, or a compile error that says what to write.
template <class O>
consteval bool check_split_objective() {
  static_assert(std::copy_constructible<O>, "an objective must be copyable: the strategy that carries it is");
  static_assert(has_name<O>, "an objective needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_solve<O>, "an objective needs:  std::optional<gpuplace::found_split> solve(gpuplace::split_search&) const;");
  return split_objective<O>;
}

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
};
static_assert(check_split_objective<balance_memory>());

/// The time of one step from the first stage to the last: what a single stream waits for a token. Value: seconds.
struct latency {
  static constexpr std::string_view name = "latency";
  std::optional<found_split> solve(split_search& search) const { return search.least({}, {.hop_second = 1, .stage_second = 1}); }
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
    found->cost = static_cast<double>(std::ranges::unique(used).begin() - used.begin());
    return found;
  }
};
static_assert(check_split_objective<fewest_devices>());

/// The time from one token of every sequence to the next, with as many micro-batches as is best: the slowest stage serves each of
/// them in turn. Value: seconds.
struct throughput {
  static constexpr std::string_view name = "throughput";

  std::optional<found_split> solve(split_search& search) const {
    auto const& load = search.problem().load();
    auto const set_count = [&](std::int64_t count) {
      search.set_work(
          step_work::decode(static_cast<double>(micro_batch_size(load.sequences, count)), static_cast<double>(load.context)));
    };
    std::optional<found_split> best;
    std::int64_t best_count = 1;
    for (auto const count : micro_batch_counts(load.sequences, search.problem().devices())) {
      set_count(count);
      auto const before = best ? best->cost : 0;
      improve(search, static_cast<double>(count), best);
      if (best && best->cost != before) best_count = count;
    }
    if (!best) return best;
    set_count(best_count);
    return search.evened(*best, {.time = seconds{best->cost / static_cast<double>(best_count)}}, one_step);
  }

private:
  static constexpr split_cost one_step{.hop_second = 1, .stage_second = 1};

  static double slowest(split_problem const& problem, stages const& spans) {
    double most = 0;
    for (auto const& s : spans)
      if (s.first < problem.size())
        most = std::max(most, problem.time(s.device, s.first, std::min(s.last, problem.size())).count());
    return most;
  }

  /// No slowest stage is faster: as if units could be divided among all devices in proportion to their speed.
  static double at_least(split_problem const& problem) {
    double speed = 0;
    for (std::size_t d = 0; d < problem.devices(); ++d) speed += 1 / problem.time(d, 0, problem.size()).count();
    return 1 / speed;
  }

  /// The least of max(count x slowest stage, whole step). A better split than the best needs a slowest stage below best / count:
  /// asks for the shortest step under that bound, and halfway to where the step would be the longer, until no such step is.
  static void improve(split_search& search, double count, std::optional<found_split>& best) {
    if (best && count * at_least(search.problem()) >= best->cost) return;
    double step = 0;
    auto const better = [&](stage_bound const& bound) {
      auto split = search.least(bound, one_step);
      if (!split || (best && split->cost >= best->cost)) return false;
      step = split->cost;
      split->cost = std::max(count * slowest(search.problem(), split->spans), step);
      if (best && split->cost >= best->cost) return true;
      best = std::move(split);
      return true;
    };
    if (!better({})) return;
    constexpr double just_below = 1 - 1e-9;
    for (double low = step / count; low < best->cost / count * just_below;) {
      if (!better({.time = seconds{best->cost / count * just_below}})) return;
      if (auto const middle = low + (best->cost / count - low) / 2; !better({.time = seconds{middle}})) low = middle;
    }
  }
};
static_assert(check_split_objective<throughput>());

}  // namespace gpuplace
