#include <gtest/gtest.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/testing/topology_archetype.hpp>
#include <gpuplace/topology/best_paths.hpp>
#include <limits>
#include <map>
#include <vector>

using namespace gpuplace;
using topology::vertex_kind;

namespace {

using vertex = topology::graph::vertex_descriptor;
struct quality {
  double width = 0, latency = 0;
};

/// The oracle: tries every simple path.
struct brute_force {
  topology::graph const& g;
  vertex source;
  std::map<vertex, quality> best{};
  std::vector<bool> seen = std::vector<bool>(num_vertices(g), false);

  void walk(vertex at, quality sofar) {
    auto const [old, fresh] = best.try_emplace(at, sofar);
    if (!fresh && (sofar.width > old->second.width || (sofar.width == old->second.width && sofar.latency < old->second.latency)))
      old->second = sofar;
    if (at != source && g[at].kind == vertex_kind::device) return;
    seen[at] = true;
    for (auto [e, end] = out_edges(at, g); e != end; ++e)
      if (auto const next = target(*e, g); !seen[next])
        walk(next, {std::min(sofar.width, g[*e].bandwidth.value()), sofar.latency + g[*e].latency.count()});
    seen[at] = false;
  }
};

gpuplace::link wire(path_kind kind, double bandwidth, double latency, int nvlinks = 0) {
  return {kind, nvlinks, gigabytes_per_second{bandwidth}, microseconds{latency}, false};
}

std::vector<path> all_from(topology::graph const& g, std::size_t device) {
  return topology::best_paths(g, g.device_vertices()[device], std::span(g.device_vertices()));
}

}  // namespace

TEST(best_paths, equal_brute_force_on_random_graphs) {
  int reached = 0, unreached = 0;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    auto const g = gpuplace::testing::random_graph(seed);
    for (std::size_t s = 0; s < g.devices().size(); ++s) {
      auto const source = g.device_vertices()[s];
      brute_force oracle{g, source};
      oracle.walk(source, {std::numeric_limits<double>::infinity(), 0});
      auto const found = all_from(g, s);
      for (std::size_t t = 0; t < found.size(); ++t) {
        auto const at = oracle.best.find(g.device_vertices()[t]);
        if (s == t) {
          EXPECT_EQ(found[t].kind, path_kind::self);
        } else if (at == oracle.best.end()) {
          EXPECT_EQ(found[t].kind, path_kind::none) << "seed " << seed;
          ++unreached;
        } else {
          EXPECT_EQ(found[t].bandwidth.value(), at->second.width) << "seed " << seed << ' ' << s << "->" << t;
          EXPECT_EQ(found[t].latency.count(), at->second.latency) << "seed " << seed << ' ' << s << "->" << t;
          ++reached;
        }
      }
    }
  }
  EXPECT_GT(reached, 1000);  // the graphs are neither all joined nor all apart
  EXPECT_GT(unreached, 100);
}

TEST(best_paths, a_wide_prefix_of_high_latency_is_left_when_the_end_is_narrow) {
  // Up to s the wide way costs 100, the narrow one 1; behind s all is narrow: one walk that keeps the widest prefix gets 101.
  topology::graph g;
  auto const a = g.add(device{}), b = g.add(device{}), s = g.add(vertex_kind::pcie_switch, "s");
  g.connect(a, s, wire(path_kind::nvlink, 100, 100, 4));
  g.connect(a, s, wire(path_kind::pix, 10, 1));
  g.connect(s, b, wire(path_kind::pix, 10, 1));
  auto const p = all_from(g, 0)[1];
  EXPECT_EQ(p.bandwidth.value(), 10);
  EXPECT_EQ(p.latency.count(), 2);
  EXPECT_EQ(p.kind, path_kind::pix);
}

TEST(best_paths, devices_do_not_forward) {
  topology::graph g;
  auto const a = g.add(device{}), b = g.add(device{}), c = g.add(device{});
  g.connect(a, b, wire(path_kind::nvlink, 100, 1, 4));
  g.connect(b, c, wire(path_kind::nvlink, 100, 1, 4));
  EXPECT_EQ(all_from(g, 0)[2].kind, path_kind::none);
  g.connect(a, c, wire(path_kind::sys, 5, 9));
  EXPECT_EQ(all_from(g, 0)[2].label(), "SYS");
}

TEST(best_paths, are_of_the_farthest_kind_and_the_fewest_links) {
  topology::graph g;
  auto const a = g.add(device{}), b = g.add(device{}), s = g.add(vertex_kind::nvswitch, "s");
  g.connect(a, s, wire(path_kind::nvlink, 370, 5, 18));
  g.connect(s, b, wire(path_kind::nvlink, 250, 5, 12));
  EXPECT_EQ(all_from(g, 0)[1].label(), "NV12");
}

TEST(best_paths, compile_with_the_archetype) {
  gpuplace::testing::topology_archetype const g({vertex_kind::device, vertex_kind::pcie_switch, vertex_kind::device},
                                                {{0, 1, wire(path_kind::pix, 10, 1)}, {1, 2, wire(path_kind::pxb, 8, 1)}});
  std::vector<std::size_t> const targets{2, 0};
  auto const found = topology::best_paths(g, std::size_t{0}, std::span(targets));
  EXPECT_EQ(found[0].label(), "PXB");
  EXPECT_EQ(found[0].bandwidth.value(), 8);
  EXPECT_EQ(found[1].label(), "X");
}

// Near misses: one part short of the concept each.
using adjacency = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, topology::vertex, gpuplace::link>;
using directed = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, topology::vertex, gpuplace::link>;
using listed = boost::adjacency_list<boost::vecS, boost::listS, boost::undirectedS, topology::vertex, gpuplace::link>;
using no_kinds = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, int, gpuplace::link>;
using no_rates = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, topology::vertex, double>;
static_assert(topology::topology_graph<adjacency>);
static_assert(!topology::has_two_way_links<directed> && !topology::topology_graph<directed>);
static_assert(!topology::has_numbered_vertices<listed> && !topology::topology_graph<listed>);
static_assert(!topology::has_vertex_kinds<no_kinds> && !topology::topology_graph<no_kinds>);
static_assert(!topology::has_link_rates<no_rates> && !topology::topology_graph<no_rates>);
