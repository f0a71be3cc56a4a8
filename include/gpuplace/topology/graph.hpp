#pragma once
/// @file
/// The topology of one machine or several: a graph under Boost.Graph's concepts, with the functions that build it.

#include <boost/graph/graph_traits.hpp>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <gpuplace/topology/concept.hpp>
#include <gpuplace/topology/device.hpp>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// A vertex: a device, or something that data passes through.
struct vertex {
  vertex_kind kind = vertex_kind::host;
  std::string name{};      ///< "host", "numa 0", "NIC3"; for devices the name of the card
  std::string host{};      ///< empty on a single machine
  int numa = -1;           ///< the NUMA node it belongs to; -1 is unknown
  std::size_t device = 0;  ///< for devices: its place in `graph::devices()`

  friend bool operator==(vertex const&, vertex const&) = default;
};

namespace detail {

/// One link as it is seen from one of its ends.
struct edge {
  std::size_t from = 0, to = 0, number = 0;
  friend bool operator==(edge const& a, edge const& b) { return a.number == b.number; }
};

/// Walks the links at one vertex, oldest first: each link is two halves, and every half knows the next at its vertex.
template <class Graph>
struct out_edge_walk {
  using iterator_category = std::forward_iterator_tag;
  using value_type = edge;
  using difference_type = std::ptrdiff_t;
  using pointer = edge const*;
  using reference = edge;

  Graph const* graph = nullptr;
  std::size_t half = Graph::no_half;

  edge operator*() const { return graph->seen_from(half); }
  out_edge_walk& operator++() {
    half = graph->next_half(half);
    return *this;
  }
  out_edge_walk operator++(int) {
    auto const before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(out_edge_walk const& a, out_edge_walk const& b) { return a.half == b.half; }
};

/// Counts: what `at(number)` gives for number after number.
template <class Graph, class Value>
struct number_walk {
  using iterator_category = std::forward_iterator_tag;
  using value_type = Value;
  using difference_type = std::ptrdiff_t;
  using pointer = Value const*;
  using reference = Value;

  Graph const* graph = nullptr;
  std::size_t number = 0;

  Value operator*() const {
    if constexpr (std::is_same_v<Value, edge>) return graph->seen_from(2 * number);
    else return number;
  }
  number_walk& operator++() {
    ++number;
    return *this;
  }
  number_walk operator++(int) {
    auto const before = *this;
    ++number;
    return before;
  }
  friend bool operator==(number_walk const& a, number_walk const& b) { return a.number == b.number; }
};

}  // namespace detail

/// Hosts, NUMA nodes, PCIe switches, NVSwitches, NICs and devices, joined by links that go both ways.
/// Models `topology_graph`, and with it Boost.Graph's VertexListGraph, EdgeListGraph and IncidenceGraph, so that its algorithms
/// take it. Devices keep the order in which they were added: it is the order of every view.
/// A hundred thousand devices with all that joins them are four vectors: `boost::adjacency_list` would allocate for every link,
/// could not be moved, and doubles what it costs to compile a file that plans.
/// Threads:    const calls are safe on shared objects
class graph {
public:
  using vertex_descriptor = std::size_t;
  using edge_descriptor = detail::edge;
  using directed_category = boost::undirected_tag;
  using edge_parallel_category = boost::allow_parallel_edge_tag;
  struct traversal_category : virtual boost::incidence_graph_tag,
                              virtual boost::vertex_list_graph_tag,
                              virtual boost::edge_list_graph_tag {};
  using out_edge_iterator = detail::out_edge_walk<graph>;
  using vertex_iterator = detail::number_walk<graph, vertex_descriptor>;
  using edge_iterator = detail::number_walk<graph, edge_descriptor>;
  using vertices_size_type = std::size_t;
  using edges_size_type = std::size_t;
  using degree_size_type = std::size_t;
  static constexpr vertex_descriptor null_vertex() { return static_cast<vertex_descriptor>(-1); }

  /// Adds something that data passes through.
  vertex_descriptor add(vertex_kind kind, std::string name, std::string host = {}, int numa = -1) {
    assert(kind != vertex_kind::device);
    return append({kind, std::move(name), std::move(host), numa, 0});
  }

  /// Adds a device; its `id.host` and `numa` say where it stands.
  vertex_descriptor add(device d) {
    auto const v = append({vertex_kind::device, d.name, d.id.host, d.numa, devices_.size()});
    devices_.push_back(std::move(d));
    device_vertices_.push_back(v);
    return v;
  }

  /// Links two vertices; a link needs a bandwidth above zero and a latency of zero or more.
  void connect(vertex_descriptor a, vertex_descriptor b, link l) {
    assert(l.bandwidth.value() > 0 && std::isfinite(l.bandwidth.value()) && l.latency.count() >= 0);
    auto const half = 2 * links_.size();
    links_.push_back({a, b, l, {no_half, no_half}});
    hang(a, half);
    hang(b, half + 1);
  }

  /// Makes room, where it is known how much will be added.
  void reserve(std::size_t vertices, std::size_t links, std::size_t devices) {
    vertices_.reserve(vertices);
    ends_.reserve(vertices);
    links_.reserve(links);
    devices_.reserve(devices);
    device_vertices_.reserve(devices);
  }

  std::vector<device> const& devices() const { return devices_; }
  /// The vertex of `devices()[i]`, for every i.
  std::vector<vertex_descriptor> const& device_vertices() const { return device_vertices_; }

  vertex& operator[](vertex_descriptor v) { return vertices_[v]; }
  vertex const& operator[](vertex_descriptor v) const { return vertices_[v]; }
  link& operator[](edge_descriptor const& e) { return links_[e.number].what; }
  link const& operator[](edge_descriptor const& e) const { return links_[e.number].what; }

  friend std::size_t num_vertices(graph const& g) { return g.vertices_.size(); }
  friend std::size_t num_edges(graph const& g) { return g.links_.size(); }
  friend std::pair<vertex_iterator, vertex_iterator> vertices(graph const& g) { return {{&g, 0}, {&g, g.vertices_.size()}}; }
  friend std::pair<edge_iterator, edge_iterator> edges(graph const& g) { return {{&g, 0}, {&g, g.links_.size()}}; }
  friend std::pair<out_edge_iterator, out_edge_iterator> out_edges(vertex_descriptor v, graph const& g) {
    return {{&g, g.ends_[v].first}, {&g, no_half}};
  }
  friend std::size_t out_degree(vertex_descriptor v, graph const& g) { return g.ends_[v].degree; }
  friend vertex_descriptor source(edge_descriptor const& e, graph const&) { return e.from; }
  friend vertex_descriptor target(edge_descriptor const& e, graph const&) { return e.to; }

  /// Where the graph was read from, for people.
  std::string source{};
  /// True if its CUDA devices are in NVML's order, so that CUDA_DEVICE_ORDER decides how a program numbers them.
  bool nvml_order = false;
  /// What its reader could not find out, or found and left out, a line each for people.
  std::vector<std::string> notes{};

private:
  friend detail::out_edge_walk<graph>;
  friend edge_iterator;
  static constexpr std::size_t no_half = static_cast<std::size_t>(-1);

  struct joined {
    vertex_descriptor a, b;
    link what;
    std::size_t next[2];  ///< the next half at a, and at b
  };
  struct incident {
    std::size_t first = no_half, last = no_half, degree = 0;
  };

  vertex_descriptor append(vertex v) {
    vertices_.push_back(std::move(v));
    ends_.emplace_back();
    return vertices_.size() - 1;
  }
  void hang(vertex_descriptor v, std::size_t half) {
    auto& at = ends_[v];
    if (at.last == no_half) at.first = half;
    else links_[at.last / 2].next[at.last % 2] = half;
    at.last = half;
    ++at.degree;
  }
  edge_descriptor seen_from(std::size_t half) const {
    auto const& l = links_[half / 2];
    return half % 2 == 0 ? edge_descriptor{l.a, l.b, half / 2} : edge_descriptor{l.b, l.a, half / 2};
  }
  std::size_t next_half(std::size_t half) const { return links_[half / 2].next[half % 2]; }

  std::vector<vertex> vertices_;
  std::vector<incident> ends_;  ///< of each vertex
  std::vector<joined> links_;
  std::vector<device> devices_;
  std::vector<vertex_descriptor> device_vertices_;
};

static_assert(check_topology_graph<graph>());

}  // namespace gpuplace::topology
