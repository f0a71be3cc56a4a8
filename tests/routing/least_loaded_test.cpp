#include <gpuplace/routing/least_loaded.hpp>

#include <gpuplace/routing/round_robin.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <thread>
#include <vector>

using namespace gpuplace;

namespace {
std::size_t chosen(least_loaded const& router, std::vector<instance_load> const& fleet) {
  return router.route({}, fleet_view(fleet)).instance();
}
}  // namespace

TEST(least_loaded, takes_the_fewest_requests_then_tokens_then_cache) {
  least_loaded const router;
  EXPECT_EQ(chosen(router, {{.running = 3}, {.running = 1, .waiting = 1}, {.waiting = 4}}), 1U);
  EXPECT_EQ(chosen(router, {{.running = 2, .queued_tokens = 900}, {.waiting = 2, .queued_tokens = 30}, {.running = 3}}), 1U);
  EXPECT_EQ(chosen(router, {{.running = 2, .kv_used = 0.9}, {.running = 2, .kv_used = 0.1}}), 1U);
}

TEST(least_loaded, equals_take_turns) {
  least_loaded const router;
  std::vector<instance_load> fleet(4);
  fleet[1].running = 5;
  std::vector<std::size_t> order;
  for (int i = 0; i < 6; ++i) order.push_back(chosen(router, fleet));
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 2, 3, 0, 2, 3}));
}

TEST(least_loaded, is_never_beaten_by_another_available_instance) {
  std::mt19937 random(2);
  auto const below = [&](unsigned n) { return static_cast<std::int64_t>(random() % n); };
  least_loaded const router;
  for (int round = 0; round < 5000; ++round) {
    std::vector<instance_load> fleet(random() % 9);
    for (auto& i : fleet)
      i = {.running = below(3),
           .waiting = below(3),
           .queued_tokens = below(3),
           .kv_used = static_cast<double>(below(3)) / 2,
           .available = below(3) != 0};
    auto const made = router.route({}, fleet_view(fleet));
    bool const any = std::ranges::any_of(fleet, &instance_load::available);
    ASSERT_EQ(static_cast<bool>(made), any);
    if (!any) continue;
    ASSERT_TRUE(fleet[made.instance()].available);
    for (auto const& i : fleet) EXPECT_FALSE(i.available && detail::less_loaded(i, fleet[made.instance()]));
  }
}

namespace {
/// The longest queue when requests of very different cost come as fast as four instances can just serve them.
template <routing_strategy Router>
std::size_t longest_queue() {
  Router const router;
  std::vector<instance_load> fleet(4);
  std::vector<std::deque<int>> queues(4);
  std::mt19937 random(4);
  std::size_t longest = 0;
  for (int step = 0; step < 4000; ++step) {
    if (step % 2 == 0) queues[router.route({}, fleet_view(fleet)).instance()].push_back(1 + static_cast<int>(random() % 13));
    for (std::size_t i = 0; i < 4; ++i) {
      if (!queues[i].empty() && --queues[i].front() == 0) queues[i].pop_front();
      fleet[i].running = queues[i].empty() ? 0 : 1;
      fleet[i].waiting = static_cast<std::int64_t>(queues[i].size()) - fleet[i].running;
      longest = std::max(longest, queues[i].size());
    }
  }
  return longest;
}
}  // namespace

TEST(least_loaded, keeps_queues_shorter_than_taking_turns) {
  EXPECT_LT(longest_queue<least_loaded>(), longest_queue<round_robin>());
}

TEST(least_loaded, odd_loads_do_no_harm) {
  least_loaded const router;
  std::vector<instance_load> fleet(3);
  for (auto& i : fleet) i.kv_used = std::numeric_limits<double>::quiet_NaN();
  for (int i = 0; i < 6; ++i) EXPECT_LT(chosen(router, fleet), 3U);
  EXPECT_FALSE(router.route({}, fleet_view({})));
}

TEST(least_loaded, equals_get_equal_shares_from_threads) {
  least_loaded const router;
  std::vector<instance_load> const fleet(4);
  std::vector<std::vector<int>> got(4, std::vector<int>(4));
  {
    std::vector<std::jthread> threads;
    for (auto& mine : got)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) ++mine[chosen(router, fleet)];
      });
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(got[0][i] + got[1][i] + got[2][i] + got[3][i], 1000);
}
