#pragma once
/// @file
/// A graph that offers what `topology_graph` asks and nothing else: algorithms that compile with it ask no more.

#include <boost/graph/graph_traits.hpp>
#include <boost/iterator/counting_iterator.hpp>
#include <cstddef>
#include <gpuplace/topology/concept.hpp>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// The least `topology_graph`: no default constructor, no property maps, no mutation.
class topology_archetype {
public:
  struct vertex_label {
    topology::vertex_kind kind;
  };
  struct joined {
    std::size_t from, to;
    link what;
  };
  struct edge {
    std::size_t from, to, number;
    friend bool operator==(edge const&, edge const&) = default;
  };

  using vertex_descriptor = std::size_t;
  using edge_descriptor = edge;
  using directed_category = boost::undirected_tag;
  using edge_parallel_category = boost::allow_parallel_edge_tag;
  struct traversal_category : virtual boost::incidence_graph_tag, virtual boost::vertex_list_graph_tag {};
  using out_edge_iterator = std::vector<edge>::const_iterator;
  using vertex_iterator = boost::counting_iterator<std::size_t>;
  using vertices_size_type = std::size_t;
  using degree_size_type = std::size_t;

  topology_archetype() = delete;
  topology_archetype(std::vector<topology::vertex_kind> kinds, std::vector<joined> links) : links_(std::move(links)) {
    for (auto const kind : kinds) labels_.push_back({kind});
    at_.resize(labels_.size());
    for (std::size_t i = 0; i < links_.size(); ++i) {
      at_[links_[i].from].push_back({links_[i].from, links_[i].to, i});
      at_[links_[i].to].push_back({links_[i].to, links_[i].from, i});
    }
  }

  vertex_label const& operator[](std::size_t v) const { return labels_[v]; }
  link const& operator[](edge const& e) const { return links_[e.number].what; }

  static constexpr vertex_descriptor null_vertex() { return static_cast<vertex_descriptor>(-1); }
  friend std::pair<out_edge_iterator, out_edge_iterator> out_edges(std::size_t v, topology_archetype const& g) {
    return {g.at_[v].begin(), g.at_[v].end()};
  }
  friend std::size_t out_degree(std::size_t v, topology_archetype const& g) { return g.at_[v].size(); }
  friend std::size_t source(edge const& e, topology_archetype const&) { return e.from; }
  friend std::size_t target(edge const& e, topology_archetype const&) { return e.to; }
  friend std::size_t num_vertices(topology_archetype const& g) { return g.labels_.size(); }
  friend std::pair<vertex_iterator, vertex_iterator> vertices(topology_archetype const& g) {
    return {vertex_iterator(0), vertex_iterator(g.labels_.size())};
  }

private:
  std::vector<vertex_label> labels_;
  std::vector<joined> links_;
  std::vector<std::vector<edge>> at_;
};

static_assert(topology::check_topology_graph<topology_archetype>());

}  // namespace gpuplace::testing
