// The solver's answers against every split there is.

#include "../exhaustive_splits.hpp"
#include "../machines.hpp"

#include <gpuplace/placement/partition/balanced.hpp>
#include <gpuplace/placement/partition/optimal.hpp>

#include <gtest/gtest.h>

namespace {

using namespace gpuplace;
using namespace gpuplace::testing;

constexpr std::uint32_t cases = 400;
constexpr double infinity = std::numeric_limits<double>::infinity();

// The least of `value` over all splits; infinite where none fits.
double least_over_all(random_case const& c, bool any_order, std::function<double(stages const&)> const& value) {
  double least = infinity;
  every_split(c.units, c.group, c.load, any_order, [&](stages const& s) { least = std::min(least, value(s)); });
  return least;
}

// Compares a strategy with the oracle on all random cases; a case that fits in neither is counted, too.
template <class Strategy>
void expect_least(Strategy const& strategy, bool any_order, std::function<double(random_case const&, stages const&)> const& value) {
  int fitting = 0, split = 0;
  for (std::uint32_t seed = 0; seed < cases; ++seed) {
    random_case const c(seed);
    auto const best = least_over_all(c, any_order, [&](stages const& s) { return value(c, s); });
    auto const found = strategy.partition(c.units, c.group, c.load);
    if (!found) {
      EXPECT_EQ(best, infinity) << "seed " << seed << ": " << found.error().what;
      EXPECT_EQ(found.error().code, errc::does_not_fit);
      continue;
    }
    ++fitting;
    split += found->size() > 1;
    EXPECT_TRUE(keeps_limits(*found, c.units, c.group, c.load)) << "seed " << seed;
    EXPECT_NEAR(value(c, *found), best, 1e-5 * best) << "seed " << seed;
  }
  EXPECT_GT(fitting, static_cast<int>(cases) / 2);
  EXPECT_GT(split, static_cast<int>(cases) / 8);
}

double used_devices(stages const& spans) {
  std::vector<std::size_t> used;
  for (auto const& s : spans) used.push_back(s.device);
  std::ranges::sort(used);
  return static_cast<double>(std::ranges::unique(used).begin() - used.begin());
}

TEST(optimal, latency_is_the_least_of_all_splits_and_orders) {
  expect_least(optimal<latency>{}, true, [](auto const& c, auto const& s) { return step_seconds(s, c.units, c.group, c.load); });
}

TEST(optimal, throughput_is_the_least_of_all_splits_orders_and_micro_batches) {
  expect_least(optimal<throughput>{}, true,
               [](auto const& c, auto const& s) { return pipelined_seconds(s, c.units, c.group, c.load); });
}

TEST(optimal, balance_memory_is_the_least_of_all_splits_and_orders_to_the_byte) {
  expect_least(optimal<balance_memory>{}, true,
               [](auto const& c, auto const& s) { return static_cast<double>(largest(s, c.units, c.group, c.load).count()); });
}

TEST(optimal, fewest_devices_are_the_fewest) {
  expect_least(optimal<fewest_devices>{}, true, [](auto const&, auto const& s) { return used_devices(s); });
}

TEST(balanced, is_the_least_of_all_splits_in_the_given_order) {
  expect_least(balanced{}, false,
               [](auto const& c, auto const& s) { return static_cast<double>(largest(s, c.units, c.group, c.load).count()); });
}

TEST(balanced, takes_the_fewest_hops_of_equal_splits) {
  expect_least(balanced{}, false, [](auto const& c, auto const& s) {
    return static_cast<double>(largest(s, c.units, c.group, c.load).count()) * 100 + static_cast<double>(s.size());
  });
}

TEST(balanced, with_reorder_is_the_least_over_all_orders) {
  expect_least(balanced{.reorder = true}, true,
               [](auto const& c, auto const& s) { return static_cast<double>(largest(s, c.units, c.group, c.load).count()); });
}

TEST(balanced_low_0, holds_the_least_on_the_first_device_and_balances_the_rest) {
  expect_least(balanced_low_0{}, false, [](auto const& c, auto const& s) {
    auto const all = held(s, c.units, c.group, c.load);
    auto const rest = std::ranges::max(std::span(all).subspan(1));
    return static_cast<double>(all.front().count()) * 1e6 + static_cast<double>(rest.count());
  });
}

}  // namespace
