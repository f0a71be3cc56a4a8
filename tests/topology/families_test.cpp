#include <gtest/gtest.h>

#include <gpuplace/testing/topology_families.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/json.hpp>
#include <set>
#include <string>

using namespace gpuplace;
namespace make = gpuplace::testing;

namespace {
std::string text(topology::graph const& g) { return topology::to_json(g, topology::json_form::links).dump(); }
}  // namespace

TEST(families, the_same_seed_gives_the_same_graph_and_another_gives_another) {
  EXPECT_EQ(text(make::mixed_cards(8, 7)), text(make::mixed_cards(8, 7)));
  EXPECT_NE(text(make::mixed_cards(8, 7)), text(make::mixed_cards(8, 8)));
  EXPECT_EQ(text(make::broken_mesh(8, 3, 1)), text(make::broken_mesh(8, 3, 1)));
  EXPECT_NE(text(make::broken_mesh(8, 3, 1)), text(make::broken_mesh(8, 3, 2)));
  EXPECT_EQ(text(make::mixed_fleet(9, 5)), text(make::mixed_fleet(9, 5)));
}

TEST(families, fat_trees_narrow_towards_the_spine) {
  auto const g = topology::all_devices(make::fat_tree({.hosts = 8, .network = {.hosts_per_leaf = 4, .oversubscription = 4}}));
  ASSERT_EQ(g.size(), 64u);
  EXPECT_EQ(to_string(g[63].id), "node7/cuda:7");
  EXPECT_EQ(g.path(0, 7).label(), "NV18");
  EXPECT_EQ(g.path(0, 8).label(), "NET");
  EXPECT_DOUBLE_EQ(g.path(0, 8).bandwidth.value(), 48);
  EXPECT_DOUBLE_EQ(g.path(0, 32).bandwidth.value(), 12.5);
  EXPECT_GT(g.path(0, 32).latency, g.path(0, 8).latency);
}

TEST(families, islands_are_joined_by_pcie_alone) {
  auto const g = topology::all_devices(make::nvswitch_islands(2, 4));
  ASSERT_EQ(g.size(), 8u);
  EXPECT_EQ(g.path(0, 3).label(), "NV18");
  EXPECT_EQ(g.path(4, 7).label(), "NV18");
  EXPECT_EQ(g.path(0, 4).label(), "SYS");
}

TEST(families, breaking_links_takes_nvlinks_and_leaves_pcie) {
  auto const nvlinks = [](std::size_t broken) {
    auto const g = topology::all_devices(make::broken_mesh(8, broken, 3));
    int linked = 0;
    for (std::size_t i = 0; i < 8; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        EXPECT_NE(g.path(i, j).kind, path_kind::none);
        linked += g.path(i, j).kind == path_kind::nvlink;
      }
    return linked;
  };
  EXPECT_EQ(nvlinks(0), 16);
  EXPECT_EQ(nvlinks(5), 11);
  EXPECT_EQ(nvlinks(99), 0);
}

TEST(families, mixed_cards_differ_in_memory_and_all_reach_each_other) {
  std::set<std::int64_t> sizes;
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    auto const g = topology::all_devices(make::mixed_cards(6, seed));
    ASSERT_EQ(g.size(), 6u);
    for (std::size_t i = 0; i < 6; ++i) {
      sizes.insert(g.capacity(i).count());
      for (std::size_t j = 0; j < i; ++j) EXPECT_NE(g.path(i, j).kind, path_kind::none) << "seed " << seed;
    }
  }
  EXPECT_GT(sizes.size(), 5u);
}

TEST(families, hosts_of_a_mixed_fleet_all_reach_each_other) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    auto const g = topology::all_devices(make::mixed_fleet(6, seed));
    for (std::size_t i = 1; i < g.size(); ++i) EXPECT_NE(g.path(0, i).kind, path_kind::none) << "seed " << seed << " device " << i;
  }
}
