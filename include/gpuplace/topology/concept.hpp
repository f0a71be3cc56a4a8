#pragma once
/// @file
/// What the path algorithms ask of a topology: the concept `topology_graph`, made of named parts.

#include <boost/graph/graph_traits.hpp>
#include <concepts>
#include <cstddef>
#include <gpuplace/topology/link.hpp>
#include <iterator>
#include <string_view>

namespace gpuplace::topology {

/// What a vertex of a topology stands for.
enum class vertex_kind { host, numa_node, pcie_switch, nvswitch, nic, device };

constexpr std::string_view to_string(vertex_kind kind) {
  constexpr std::string_view names[] = {"host", "numa_node", "pcie_switch", "nvswitch", "nic", "device"};
  return names[static_cast<std::size_t>(kind)];
}

template <class G>
using vertex_t = typename boost::graph_traits<G>::vertex_descriptor;
template <class G>
using edge_t = typename boost::graph_traits<G>::edge_descriptor;

/// Vertices are numbered 0, 1, …, num_vertices(g) - 1 by an integral descriptor.
template <class G>
concept has_numbered_vertices = std::integral<vertex_t<G>> && requires(G const& g) {
  { num_vertices(g) } -> std::convertible_to<std::size_t>;
  { *vertices(g).first } -> std::convertible_to<vertex_t<G>>;
};

/// The links at a vertex can be walked: Boost.Graph's incidence graph.
template <class G>
concept has_links = requires(G const& g, vertex_t<G> v, edge_t<G> e) {
  { *out_edges(v, g).first } -> std::convertible_to<edge_t<G>>;
  { out_degree(v, g) } -> std::convertible_to<std::size_t>;
  { source(e, g) } -> std::same_as<vertex_t<G>>;
  { target(e, g) } -> std::same_as<vertex_t<G>>;
};

/// Every link goes both ways: it is listed at both ends.
template <class G>
concept has_two_way_links = std::convertible_to<typename boost::graph_traits<G>::directed_category, boost::undirected_tag>;

/// `g[v].kind` says what a vertex is; devices are where paths begin and end, and never lie inside one.
template <class G>
concept has_vertex_kinds = requires(G const& g, vertex_t<G> v) {
  { g[v].kind } -> std::convertible_to<vertex_kind>;
};

/// `g[e]` says what a link is: kind, bonded NVLinks, bandwidth above zero, latency not below zero.
template <class G>
concept has_link_rates = requires(G const& g, edge_t<G> e) {
  { g[e] } -> std::convertible_to<link const&>;
};

/// A graph of devices and what lies between them.
/// When to use: as the constraint of every algorithm on topologies; `topology::graph` is the model that gpuplace ships.
template <class G>
concept topology_graph =
    has_numbered_vertices<G> && has_links<G> && has_two_way_links<G> && has_vertex_kinds<G> && has_link_rates<G>;

/// True if `G` models topology_graph; otherwise compiling stops and says which part is to be written.
template <class G>
consteval bool check_topology_graph() {
  static_assert(has_numbered_vertices<G>,
                "topology_graph: give it an integral vertex_descriptor, vertices(g) and num_vertices(g), numbered from 0");
  static_assert(has_links<G>, "topology_graph: write out_edges(v, g), out_degree(v, g), source(e, g) and target(e, g)");
  static_assert(has_two_way_links<G>, "topology_graph: make it undirected (directed_category = boost::undirected_tag)");
  static_assert(has_vertex_kinds<G>, "topology_graph: write g[v].kind, a gpuplace::topology::vertex_kind");
  static_assert(has_link_rates<G>, "topology_graph: write g[e], a gpuplace::link const&");
  return true;
}

}  // namespace gpuplace::topology
