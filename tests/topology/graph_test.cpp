#include <gtest/gtest.h>

#include <boost/graph/connected_components.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/graph_concepts.hpp>
#include <boost/property_map/function_property_map.hpp>
#include <boost/property_map/property_map.hpp>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/graph.hpp>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

using namespace gpuplace;
using topology::graph;

TEST(graph, models_the_concepts_of_boost_graph) {
  BOOST_CONCEPT_ASSERT((boost::VertexListGraphConcept<graph>));
  BOOST_CONCEPT_ASSERT((boost::EdgeListGraphConcept<graph>));
  BOOST_CONCEPT_ASSERT((boost::IncidenceGraphConcept<graph>));
  static_assert(std::is_nothrow_move_constructible_v<graph>);
}

TEST(graph, every_link_is_listed_at_both_of_its_ends_in_the_order_they_were_made) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    auto const g = gpuplace::testing::random_graph(seed);
    std::size_t ends = 0;
    for (auto [v, last] = vertices(g); v != last; ++v) {
      std::size_t degree = 0, before = 0;
      for (auto [e, end] = out_edges(*v, g); e != end; ++e, ++degree) {
        EXPECT_EQ(source(*e, g), *v);
        EXPECT_TRUE(degree == 0 || (*e).number > before);
        before = (*e).number;
      }
      EXPECT_EQ(degree, out_degree(*v, g));
      ends += degree;
    }
    EXPECT_EQ(ends, 2 * num_edges(g));
  }
}

TEST(graph, algorithms_of_boost_graph_take_it) {
  auto const g = gpuplace::testing::pcie_tree(2, 4);
  std::vector<int> component(num_vertices(g));
  boost::typed_identity_property_map<std::size_t> const index;
  EXPECT_EQ(
      boost::connected_components(g, boost::make_iterator_property_map(component.begin(), index), boost::vertex_index_map(index)),
      1);
  std::vector<double> latency(num_vertices(g));
  auto const weights = boost::make_function_property_map<graph::edge_descriptor>(
      [&](graph::edge_descriptor const& e) { return g[e].latency.count(); });
  boost::dijkstra_shortest_paths(
      g, g.device_vertices()[0],
      boost::vertex_index_map(index).weight_map(weights).distance_map(boost::make_iterator_property_map(latency.begin(), index)));
  EXPECT_DOUBLE_EQ(latency[g.device_vertices()[1]], 12);
  EXPECT_DOUBLE_EQ(latency[g.device_vertices()[7]], 17);
}

TEST(graph, a_link_can_be_changed_where_it_is) {
  auto g = gpuplace::testing::nvlink_island(2);
  for (auto [e, end] = edges(g); e != end; ++e) g[*e].bandwidth = gigabytes_per_second{7};
  for (auto [e, end] = out_edges(g.device_vertices()[1], g); e != end; ++e) EXPECT_EQ(g[*e].bandwidth.value(), 7);
  auto const moved = std::move(g);
  EXPECT_EQ(moved.devices().size(), 2u);
  EXPECT_EQ(num_edges(moved), 2u);
}
