#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <gpuplace/topology/device_group.hpp>
#include <ranges>
#include <vector>

using namespace gpuplace;

static_assert(std::ranges::contiguous_range<device_group>);

namespace {
path const nv4{path_kind::nvlink, 4, gigabytes_per_second{80}, microseconds{10}, false};

/// Paths whose latency tells which positions were asked for.
device_group telling_group(std::size_t count) {
  std::vector<device> devices(count);
  for (std::size_t i = 0; i < count; ++i) {
    devices[i].id.index = static_cast<int>(i);
    devices[i].capacity = bytes{static_cast<std::int64_t>(100 + i)};
  }
  return {std::move(devices), [](std::size_t a, std::size_t b) {
            return path{path_kind::pix, 0, gigabytes_per_second{1}, microseconds{static_cast<double>(10 * a + b)}, false};
          }};
}
}  // namespace

TEST(device_group, an_empty_group_has_no_devices) {
  device_group const none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_FALSE(none.find({}));
}

TEST(device_group, uniform_groups_are_named_in_order_and_linked_alike) {
  auto const g = uniform_group(4, 8_GiB, nv4);
  ASSERT_EQ(g.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(to_string(g[i].id), "cuda:" + std::to_string(i));
    EXPECT_EQ(g.capacity(i), 8_GiB);
    for (std::size_t j = 0; j < 4; ++j) EXPECT_EQ(g.path(i, j).label(), i == j ? "X" : "NV4");
  }
}

TEST(device_group, a_subset_keeps_devices_limits_and_paths_in_the_order_asked_for) {
  auto const whole = telling_group(6);
  auto const part = whole.subset({5, 1, 3}).subset({2, 0});
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part[0].id.index, 3);
  EXPECT_EQ(part[1].id.index, 5);
  EXPECT_EQ(part.capacity(1).count(), 105);
  EXPECT_EQ(part.path(0, 1).latency.count(), 35);
  EXPECT_EQ(part.find({device_kind::cuda, 5, ""}), 1u);
  EXPECT_FALSE(part.find({device_kind::cuda, 1, ""}));
  EXPECT_EQ(whole.slice(2, 3)[0].id.index, 2);
}

TEST(device_group, limits_replace_capacities_in_a_copy) {
  auto const g = uniform_group(2, 8_GiB, nv4);
  std::vector<bytes> const limits{1_GiB, 2_GiB};
  auto const limited = g.with_limits(limits);
  EXPECT_EQ(limited.capacity(1), 2_GiB);
  EXPECT_EQ(limited[1].capacity, 8_GiB);
  EXPECT_EQ(g.capacity(1), 8_GiB);
  EXPECT_EQ(limited.subset({1}).capacity(0), 2_GiB);
}

TEST(device_group, plans_with_free_memory_where_it_is_known) {
  device d;
  d.capacity = 80_GiB;
  d.free = 60_GiB;
  EXPECT_EQ(uniform_group(1, d, nv4).capacity(0), 60_GiB);
}

TEST(path, time_is_latency_and_transfer) {
  EXPECT_DOUBLE_EQ(nv4.time(80_GB).count(), 1.00001);
  EXPECT_EQ(path{.kind = path_kind::self}.time(1_GiB).count(), 0);
  EXPECT_TRUE(std::isinf(path{}.time(1_B).count()));
}

TEST(path, labels_are_those_of_the_matrix_and_kinds_read_back) {
  EXPECT_EQ(nv4.label(), "NV4");
  EXPECT_EQ(path{.kind = path_kind::node}.label(), "NODE");
  for (int k = 0; k <= static_cast<int>(path_kind::none); ++k)
    EXPECT_EQ(parse_path_kind(to_string(static_cast<path_kind>(k))), static_cast<path_kind>(k));
  EXPECT_FALSE(parse_path_kind("NVLINK"));
}
