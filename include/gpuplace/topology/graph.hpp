#pragma once
/// @file
/// The topology of one machine or several: a Boost.Graph graph with the functions that build it.

#include <boost/graph/adjacency_list.hpp>
#include <cassert>
#include <cmath>
#include <gpuplace/topology/concept.hpp>
#include <gpuplace/topology/device.hpp>
#include <string>
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

/// Hosts, NUMA nodes, PCIe switches, NVSwitches, NICs and devices, joined by links that go both ways.
/// Models `topology_graph`. Devices keep the order in which they were added: it is the order of every view.
/// Threads:    const calls are safe on shared objects
class graph : public boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, vertex, link> {
public:
  /// Adds something that data passes through.
  vertex_descriptor add(vertex_kind kind, std::string name, std::string host = {}, int numa = -1) {
    assert(kind != vertex_kind::device);
    return boost::add_vertex(vertex{kind, std::move(name), std::move(host), numa, 0}, *this);
  }

  /// Adds a device; its `id.host` and `numa` say where it stands.
  vertex_descriptor add(device d) {
    auto const v = boost::add_vertex(vertex{vertex_kind::device, d.name, d.id.host, d.numa, devices_.size()}, *this);
    devices_.push_back(std::move(d));
    device_vertices_.push_back(v);
    return v;
  }

  /// Links two vertices; a link needs a bandwidth above zero and a latency of zero or more.
  void connect(vertex_descriptor a, vertex_descriptor b, link l) {
    assert(l.bandwidth.value() > 0 && std::isfinite(l.bandwidth.value()) && l.latency.count() >= 0);
    boost::add_edge(a, b, l, *this);
  }

  std::vector<device> const& devices() const { return devices_; }
  /// The vertex of `devices()[i]`, for every i.
  std::vector<vertex_descriptor> const& device_vertices() const { return device_vertices_; }

  /// Where the graph was read from, for people.
  std::string source{};
  /// True if its CUDA devices are in NVML's order, so that CUDA_DEVICE_ORDER decides how a program numbers them.
  bool nvml_order = false;
  /// What its reader could not find out, or found and left out, a line each for people.
  std::vector<std::string> notes{};

private:
  std::vector<device> devices_;
  std::vector<vertex_descriptor> device_vertices_;
};

static_assert(check_topology_graph<graph>());

}  // namespace gpuplace::topology
