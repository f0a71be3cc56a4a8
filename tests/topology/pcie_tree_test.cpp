#include <gtest/gtest.h>

#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/pcie_tree.hpp>
#include <array>
#include <random>
#include <vector>

using namespace gpuplace;
using topology::pcie_relations;

namespace {

auto const& card = *topology::find_gpu_model("h100");

topology::graph cards(std::vector<int> const& numa) {
  topology::graph g;
  for (auto const n : numa) g.add(topology::make_gpu(card, static_cast<int>(g.devices().size()), n));
  return g;
}

/// What lies between leaves of a random tree: pairs are as far apart as the level where their random addresses part.
pcie_relations random_tree(std::size_t count, std::mt19937& random) {
  std::vector<std::array<unsigned, 5>> address(count);
  for (auto& a : address)
    for (auto& part : a) part = random() % 2;
  pcie_relations between(count, std::vector<path_kind>(count, path_kind::none));
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < count; ++j) {
      std::size_t level = 4;
      while (level > 0 && address[i][4 - level] == address[j][4 - level]) --level;
      if (i != j) between[i][j] = topology::detail::pcie_levels[level];
    }
  return between;
}

}  // namespace

TEST(join_by_pcie, makes_the_ways_that_it_was_told) {
  std::mt19937 random(7);
  for (std::size_t count = 1; count < 14; ++count) {
    auto const between = random_tree(count, random);
    auto g = cards(std::vector<int>(count, -1));
    ASSERT_TRUE(topology::join_by_pcie(g, g.device_vertices(), between, card));
    auto const group = topology::all_devices(g);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        auto const whole = topology::default_link(between[i][j], card);
        EXPECT_EQ(group.path(i, j).kind, whole.kind);
        EXPECT_EQ(group.path(i, j).bandwidth, whole.bandwidth);
        EXPECT_NEAR(group.path(i, j).latency.count(), whole.latency.count(), 1e-9);
      }
  }
}

TEST(join_by_pcie, puts_what_nobody_spoke_of_into_its_numa_node) {
  auto g = cards({0, 0, 1});
  pcie_relations const silent(3, std::vector<path_kind>(3, path_kind::none));
  ASSERT_TRUE(topology::join_by_pcie(g, g.device_vertices(), silent, card));
  auto const group = topology::all_devices(g);
  EXPECT_EQ(group.path(0, 1).label(), "NODE");
  EXPECT_EQ(group.path(0, 2).label(), "SYS");
}

TEST(join_by_pcie, says_where_there_is_no_such_tree) {
  auto g = cards({0, 0, 0});
  auto between = pcie_relations(3, std::vector<path_kind>(3, path_kind::pix));
  between[0][2] = between[2][0] = path_kind::sys;  // near the one that is near, and yet far
  EXPECT_FALSE(topology::join_by_pcie(g, g.device_vertices(), between, card));
  EXPECT_EQ(num_vertices(g), 3u);
}
