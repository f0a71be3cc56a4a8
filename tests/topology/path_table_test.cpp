#include <gtest/gtest.h>

#include <algorithm>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/best_paths.hpp>
#include <gpuplace/topology/path_table.hpp>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace gpuplace;
using topology::vertex_kind;

namespace {

/// A random fleet: hosts with a few devices and bridges, switches between them, few distinct rates, so that ties happen.
topology::graph random_fleet(std::uint32_t seed) {
  std::mt19937 random(seed);
  auto const below = [&](std::size_t n) { return random() % n; };
  topology::graph g;
  auto const wire = [&](path_kind kind) {
    return gpuplace::link{kind, kind == path_kind::nvlink ? 1 + static_cast<int>(below(4)) : 0,
                          gigabytes_per_second{static_cast<double>(1 + below(4))}, microseconds{static_cast<double>(below(5))},
                          false};
  };
  std::vector<std::size_t> switches;
  for (std::size_t i = 0, count = 1 + below(3); i < count; ++i)
    switches.push_back(g.add(vertex_kind::pcie_switch, "switch", "the network"));
  for (std::size_t i = 1; i < switches.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (below(3) != 0) g.connect(switches[i], switches[j], wire(path_kind::network));
  for (std::size_t h = 0, count = 2 + below(2); h < count; ++h) {
    auto const host = "h" + std::to_string(h);
    std::vector<std::size_t> here;
    for (std::size_t i = 0, bridges = 1 + below(2); i < bridges; ++i)
      here.push_back(g.add(vertex_kind::pcie_switch, "bridge", host));
    for (std::size_t i = 0, devices = 1 + below(3); i < devices; ++i)
      here.push_back(g.add(topology::make_gpu(topology::uniform_gpu, static_cast<int>(i), -1, host)));
    for (std::size_t i = 1; i < here.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (below(2) == 0) g.connect(here[i], here[j], wire(below(2) == 0 ? path_kind::nvlink : path_kind::pix));
    for (std::size_t i = 0, exits = below(4); i < exits; ++i)
      g.connect(here[below(here.size())], switches[below(switches.size())], wire(path_kind::network));
  }
  return g;
}

/// The oracle: tries every simple path that is in one host, then between the hosts, then in the other.
struct brute_force {
  topology::graph const& g;
  std::size_t source, wanted;
  bool may_leave;
  double width = 0, latency = std::numeric_limits<double>::infinity();
  std::vector<bool> seen = std::vector<bool>(num_vertices(g), false);

  void walk(std::size_t at, int phase, double wide, double late) {
    if (at == wanted) {
      if (wide > width || (wide == width && late < latency)) width = wide, latency = late;
      return;
    }
    if (at != source && g[at].kind == vertex_kind::device) return;
    seen[at] = true;
    for (auto [e, end] = out_edges(at, g); e != end; ++e) {
      auto const next = target(*e, g);
      if (seen[next]) continue;
      bool const crosses = g[at].host != g[next].host;
      int const then = phase + crosses;
      if (crosses && (!may_leave || then > 2 || (then == 2 && g[next].host != g[wanted].host))) continue;
      walk(next, then, std::min(wide, g[*e].bandwidth.value()), late + g[*e].latency.count());
    }
    seen[at] = false;
  }
};

}  // namespace

TEST(path_table, equals_brute_force_on_random_fleets) {
  int near = 0, far = 0, apart = 0;
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    auto const g = random_fleet(seed);
    topology::path_table const table(g);
    for (std::size_t i = 0; i < g.devices().size(); ++i)
      for (std::size_t j = 0; j < g.devices().size(); ++j) {
        if (i == j) continue;
        auto const a = g.device_vertices()[i], b = g.device_vertices()[j];
        bool const one_host = g.devices()[i].id.host == g.devices()[j].id.host;
        brute_force oracle{g, a, b, !one_host};
        oracle.walk(a, 0, std::numeric_limits<double>::infinity(), 0);
        if (one_host && oracle.width == 0) {
          oracle.may_leave = true;
          oracle.walk(a, 0, std::numeric_limits<double>::infinity(), 0);
        }
        auto const found = table.between(i, j);
        EXPECT_EQ(found, table.between(j, i));
        if (oracle.width == 0) {
          EXPECT_EQ(found.kind, path_kind::none) << "seed " << seed << ' ' << i << "->" << j;
          ++apart;
          continue;
        }
        EXPECT_EQ(found.bandwidth.value(), oracle.width) << "seed " << seed << ' ' << i << "->" << j;
        EXPECT_EQ(found.latency.count(), oracle.latency) << "seed " << seed << ' ' << i << "->" << j;
        ++(one_host ? near : far);
      }
  }
  EXPECT_GT(near, 500);
  EXPECT_GT(far, 500);
  EXPECT_GT(apart, 100);
}

TEST(path_table, with_one_host_it_is_what_best_paths_finds) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    auto const g = gpuplace::testing::random_graph(seed);
    topology::path_table const table(g);
    for (std::size_t i = 0; i < g.devices().size(); ++i) {
      auto const row = topology::best_paths(g, g.device_vertices()[i], std::span(g.device_vertices()));
      for (std::size_t j = i + 1; j < row.size(); ++j) EXPECT_EQ(table.between(i, j), row[j]) << "seed " << seed;
    }
  }
}

TEST(path_table, a_host_does_not_forward_for_others) {
  topology::graph g;
  auto const wire = [](path_kind kind, double rate) {
    return gpuplace::link{kind, 0, gigabytes_per_second{rate}, microseconds{1}, false};
  };
  auto const left = g.add(vertex_kind::nic, "rail 0", "network"), right = g.add(vertex_kind::nic, "rail 1", "network");
  for (int h = 0; h < 3; ++h) {
    auto const host = "node" + std::to_string(h);
    auto const device = g.add(topology::make_gpu(topology::uniform_gpu, 0, -1, host));
    auto const bridge = g.add(vertex_kind::pcie_switch, "bridge", host);
    g.connect(device, bridge, wire(path_kind::pix, 48));
    if (h != 1) g.connect(bridge, left, wire(path_kind::network, 40));
    if (h != 0) g.connect(bridge, right, wire(path_kind::network, 40));
  }
  g.connect(left, right, wire(path_kind::network, 5));
  EXPECT_EQ(topology::path_table(g).between(0, 1).bandwidth.value(), 5);  // not through node2, which stands on both rails
}

TEST(path_table, hosts_that_are_linked_directly_are_searched_as_one) {
  topology::graph g;
  auto const a = g.add(topology::make_gpu(topology::uniform_gpu, 0, -1, "a"));
  auto const b = g.add(topology::make_gpu(topology::uniform_gpu, 0, -1, "b"));
  g.add(topology::make_gpu(topology::uniform_gpu, 0, -1, "c"));
  g.connect(a, b, topology::default_link(path_kind::network, topology::uniform_gpu));
  topology::path_table const table(std::move(g));
  EXPECT_EQ(table.between(0, 1).label(), "NET");
  EXPECT_EQ(table.between(1, 2).label(), "-");
}
