#include <gpuplace/runtime/detail/batch_feed.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <random>
#include <set>
#include <vector>

namespace gpuplace::runtime_tests {
namespace {

using detail::feed_order;

TEST(feed_order, takes_one_of_each_shard_in_turn) {
  feed_order order(7, 3, 0);
  std::vector<std::size_t> fed;
  while (auto const next = order.next()) {
    EXPECT_FALSE(next->moved);
    fed.push_back(next->index);
  }
  EXPECT_EQ(fed, (std::vector<std::size_t>{0, 3, 5, 1, 4, 6, 2}));
  EXPECT_TRUE(order.done());
}

TEST(feed_order, gives_a_shard_a_quarter_more_than_its_instance_runs) {
  feed_order order(1000, 2, 16);
  std::vector<std::size_t> fed(2, 0);
  while (auto const next = order.next()) ++fed[next->shard];
  EXPECT_EQ(fed, (std::vector<std::size_t>{20, 20}));
  order.ended(1);
  auto const next = order.next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->shard, 1u);
  EXPECT_FALSE(order.next());
}

TEST(feed_order, a_shard_without_requests_takes_the_longest_ones_last) {
  feed_order order(60, 2, 4);
  std::deque<std::size_t> first;
  while (auto const next = order.next())
    if (next->shard == 0) first.push_back(next->index);
  for (int i = 0; i < 22; ++i) {  // the second instance answers all of its own
    order.ended(1);
    auto const next = order.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->shard, 1u);
    EXPECT_EQ(next->moved, i == 22);
  }
  for (std::size_t i = 0; i < 5; ++i) order.ended(1);
  auto const moved = order.next();
  ASSERT_TRUE(moved);
  EXPECT_TRUE(moved->moved);
  EXPECT_EQ(moved->shard, 1u);
  EXPECT_EQ(moved->index, 29u);
  EXPECT_EQ(first, (std::deque<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(feed_order, feeds_every_request_once_whatever_ends_when) {
  std::mt19937 draw(7);
  for (int round = 0; round < 200; ++round) {
    auto const count = draw() % 300, shards = 1 + draw() % 6, slots = draw() % 9;
    feed_order order(count, shards, slots);
    std::set<std::size_t> fed;
    std::vector<std::size_t> under_way;
    while (!order.done() || !under_way.empty()) {
      while (auto const next = order.next()) {
        EXPECT_TRUE(fed.insert(next->index).second);
        EXPECT_EQ(next->moved, shard_with(next->index, count, shards) != next->shard);
        under_way.push_back(next->shard);
      }
      ASSERT_FALSE(under_way.empty()) << "nothing is fed though requests are left";
      auto const at = under_way.begin() + static_cast<std::ptrdiff_t>(draw() % under_way.size());
      order.ended(*at);
      under_way.erase(at);
    }
    EXPECT_EQ(fed.size(), count);
    EXPECT_TRUE(fed.empty() || *fed.rbegin() == count - 1);
  }
}

}  // namespace
}  // namespace gpuplace::runtime_tests
