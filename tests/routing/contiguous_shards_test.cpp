#include <gpuplace/routing/contiguous_shards.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

using namespace gpuplace;

namespace {
std::vector<std::size_t> route_all(contiguous_shards& router, std::size_t count, std::vector<instance_load> const& fleet) {
  router.begin(count);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i) {
    routing_request request;
    request.index = i;
    chosen.push_back(router.route(request, fleet_view(fleet)).instance());
  }
  return chosen;
}
}  // namespace

TEST(contiguous_shards, hundred_over_four_are_quarters) {
  EXPECT_EQ(shard_of(100, 4), (std::vector<index_range>{{0, 25}, {25, 50}, {50, 75}, {75, 100}}));
}

TEST(contiguous_shards, a_remainder_goes_to_the_first) {
  EXPECT_EQ(shard_of(10, 4), (std::vector<index_range>{{0, 3}, {3, 6}, {6, 8}, {8, 10}}));
  EXPECT_EQ(shard_of(2, 3), (std::vector<index_range>{{0, 1}, {1, 2}, {2, 2}}));
  EXPECT_TRUE(shard_of(2, 3)[2].empty());
}

TEST(contiguous_shards, shards_cover_every_index_once_and_differ_by_one_at_most) {
  for (std::size_t instances = 1; instances <= 9; ++instances)
    for (std::size_t count = 0; count <= 60; ++count) {
      auto const shards = shard_of(count, instances);
      EXPECT_EQ(shards.front().first, 0U);
      EXPECT_EQ(shards.back().last, count);
      for (std::size_t i = 0; i + 1 < instances; ++i) {
        EXPECT_EQ(shards[i].last, shards[i + 1].first);
        EXPECT_GE(shards[i].size(), shards[i + 1].size());
      }
      EXPECT_LE(shards.front().size(), shards.back().size() + 1);
      for (std::size_t i = 0; i < count; ++i) {
        auto const& with = shards[shard_with(i, count, instances)];
        EXPECT_TRUE(with.first <= i && i < with.last) << i << " of " << count << " over " << instances;
      }
    }
}

TEST(contiguous_shards, routes_as_the_shards_say) {
  contiguous_shards router;
  auto const chosen = route_all(router, 100, std::vector<instance_load>(4));
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(chosen[i], i / 25);
}

TEST(contiguous_shards, skips_instances_that_take_nothing) {
  contiguous_shards router;
  std::vector<instance_load> fleet(4);
  fleet[1].available = false;
  auto const chosen = route_all(router, 7, fleet);
  EXPECT_EQ(chosen, (std::vector<std::size_t>{0, 0, 0, 2, 2, 3, 3}));
}

TEST(contiguous_shards, without_a_count_the_index_decides) {
  contiguous_shards const router;
  std::vector<instance_load> const fleet(3);
  for (std::size_t i = 0; i < 9; ++i) {
    routing_request request;
    request.index = i;
    EXPECT_EQ(router.route(request, fleet_view(fleet)).instance(), i % 3);
  }
}

TEST(contiguous_shards, requests_that_come_alone_take_turns) {
  contiguous_shards router;
  router.begin(100);
  std::vector<instance_load> fleet(3);
  routing_request request;
  request.alone = true;
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 6; ++i) chosen.push_back(router.route(request, fleet_view(fleet)).instance());
  EXPECT_EQ(chosen, (std::vector<std::size_t>{0, 1, 2, 0, 1, 2}));
  fleet[1].available = false;
  for (int i = 0; i < 2; ++i) EXPECT_NE(router.route(request, fleet_view(fleet)).instance(), 1U);
}

TEST(contiguous_shards, keeps_its_count_when_moved) {
  contiguous_shards first;
  first.begin(4);
  auto const second = std::move(first);
  std::vector<instance_load> const fleet(2);
  routing_request request;
  request.index = 1;
  EXPECT_EQ(second.route(request, fleet_view(fleet)).instance(), 0U);
}
