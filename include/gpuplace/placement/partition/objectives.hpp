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

/// The largest device's bytes; ties to fewer hops, then to faster ones. Value: bytes.
struct balance_memory {
  static constexpr std::string_view name = "balance_memory";
  std::optional<found_split> solve(split_search& search) const {
    auto const largest = search.least_memory();
    if (!largest) return std::nullopt;
    auto found = search.least({.memory = *largest}, {.hop = 1, .hop_second = 1e-3});
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
    auto found = search.least({}, {.hop = more_than_any_step, .hop_second = 1, .stage_second = 1});
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
    std::optional<found_split> best;
    for (auto const count : micro_batch_counts(load.sequences, search.problem().devices())) {
      search.set_work(
          step_work::decode(static_cast<double>(micro_batch_size(load.sequences, count)), static_cast<double>(load.context)));
      improve(search, static_cast<double>(count), best);
    }
    return best;
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

  /// The least of max(count x slowest stage, whole step): the tighter the slowest stage is held, the longer the step gets. Halves
  /// the gap between a bound at which the step is the longer and one at which the slowest stage is.
  static void improve(split_search& search, double count, std::optional<found_split>& best) {
    auto const consider = [&](found_split split) {
      auto const slow = slowest(search.problem(), split.spans);
      auto const step = split.cost;
      split.cost = std::max(count * slow, step);
      if (!best || split.cost < best->cost) best = std::move(split);
      return std::pair(slow, step);
    };
    auto const tightest = search.least_time();
    if (!tightest || (best && count * tightest->count() >= best->cost)) return;
    auto low = tightest->count();
    auto tight = search.least({.time = *tightest}, one_step);
    if (!tight || consider(*std::move(tight)).second <= count * low) return;
    auto loose = search.least({}, one_step);
    if (!loose || (best && loose->cost >= best->cost)) return;
    auto [high, step] = consider(*std::move(loose));
    if (step >= count * high) return;
    while (high - low > 1e-6 * high && count * low < best->cost) {
      auto const middle = low + (high - low) / 2;
      auto between = search.least({.time = seconds{middle}}, one_step);
      if (!between) return;
      auto const [slow, took] = consider(*std::move(between));
      if (took <= count * slow) high = slow;
      else low = middle;
    }
  }
};
static_assert(check_split_objective<throughput>());

}  // namespace gpuplace
