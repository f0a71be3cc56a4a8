#include <gpuplace/routing/round_robin.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

using namespace gpuplace;

TEST(round_robin, starts_at_the_first_and_takes_turns) {
  round_robin const router;
  std::vector<instance_load> const fleet(3);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(router.route({}, fleet_view(fleet)).instance(), i % 3);
}

TEST(round_robin, is_fair_among_those_that_take_requests) {
  round_robin const router;
  std::vector<instance_load> fleet(4);
  fleet[2].available = false;
  std::vector<int> got(4);
  for (int i = 0; i < 30; ++i) ++got[router.route({}, fleet_view(fleet)).instance()];
  EXPECT_EQ(got, (std::vector<int>{10, 10, 0, 10}));
}

TEST(round_robin, is_fair_when_threads_route_at_once) {
  round_robin const router;
  std::vector<instance_load> const fleet(4);
  std::vector<std::vector<int>> got(4, std::vector<int>(4));
  {
    std::vector<std::jthread> threads;
    for (auto& mine : got)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) ++mine[router.route({}, fleet_view(fleet)).instance()];
      });
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(got[0][i] + got[1][i] + got[2][i] + got[3][i], 1000);
}
