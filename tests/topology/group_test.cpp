#include <gtest/gtest.h>

#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/group.hpp>
#include <thread>
#include <vector>

using namespace gpuplace;

TEST(all_devices, paths_are_the_same_in_both_directions) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    auto const g = topology::all_devices(gpuplace::testing::random_graph(seed));
    for (std::size_t i = 0; i < g.size(); ++i)
      for (std::size_t j = 0; j < g.size(); ++j) EXPECT_EQ(g.path(i, j), g.path(j, i)) << "seed " << seed;
  }
}

TEST(all_devices, synthetic_machines_have_the_kinds_their_names_promise) {
  auto const island = topology::all_devices(gpuplace::testing::nvlink_island(3));
  EXPECT_EQ(island.path(0, 2).label(), "NV18");
  auto const tree = topology::all_devices(gpuplace::testing::pcie_tree(2, 4));
  EXPECT_EQ(tree.path(0, 1).label(), "PIX");
  EXPECT_EQ(tree.path(0, 2).label(), "NODE");
  EXPECT_EQ(tree.path(0, 4).label(), "SYS");
  EXPECT_LT(tree.path(0, 1).latency, tree.path(0, 2).latency);
  EXPECT_LT(tree.path(0, 2).latency, tree.path(0, 4).latency);
  auto const hosts = topology::all_devices(gpuplace::testing::two_hosts(2));
  EXPECT_EQ(hosts.path(0, 1).label(), "NV18");
  EXPECT_EQ(hosts.path(0, 2).label(), "NET");
  EXPECT_EQ(to_string(hosts[3].id), "node1/cuda:1");
}

TEST(all_devices, cards_without_peer_access_go_through_host_memory_and_keep_the_label) {
  auto const find = [](char const* card) {
    topology::graph g;
    auto const& model = *topology::find_gpu_model(card);
    auto const a = g.add(topology::make_gpu(model, 0)), b = g.add(topology::make_gpu(model, 1));
    g.connect(a, b, topology::default_link(path_kind::phb, model));
    return topology::all_devices(g).path(0, 1);
  };
  auto const direct = find("l4"), staged = find("rtx4090");
  EXPECT_EQ(staged.label(), "PHB");
  EXPECT_TRUE(staged.staged);
  EXPECT_FALSE(direct.staged);
  EXPECT_LT(staged.bandwidth, direct.bandwidth);
  EXPECT_GT(staged.latency, direct.latency);
}

TEST(all_devices, rows_may_be_asked_for_by_many_threads_at_once) {
  auto const g = topology::all_devices(gpuplace::testing::pcie_tree(2, 8));
  auto const once = topology::all_devices(gpuplace::testing::pcie_tree(2, 8));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < g.size(); ++i)
        for (std::size_t j = 0; j < g.size(); ++j) wrong[t] += g.path(i, j) != once.path(i, j);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(all_devices, a_hundred_thousand_devices_are_made_without_asking_for_their_pairs) {
  auto const g = topology::all_devices(gpuplace::testing::joined_hosts(12500, 8));
  EXPECT_EQ(g.size(), 100000u);
  EXPECT_EQ(g.path(99999, 99992).label(), "NV18");
}
