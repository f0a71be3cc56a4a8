#pragma once
/// @file
/// Synthetic machines in one line, for tests of strategies and of gpuplace itself.

#include <cstdint>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/presets.hpp>
#include <random>
#include <string>

namespace gpuplace::testing {

/// `count` H100s on one NVSwitch.
inline topology::graph nvlink_island(int count) {
  topology::graph g;
  auto const fabric = g.add(topology::vertex_kind::nvswitch, "NVSwitch");
  auto const& model = *topology::find_gpu_model("h100");
  auto const half = topology::part_of(topology::default_link(path_kind::nvlink, model, model.nvlinks), 2);
  for (int i = 0; i < count; ++i) g.connect(g.add(topology::make_gpu(model, i)), fabric, half);
  return g;
}

/// `sockets` times `per_socket` L4 cards, two on each PCIe switch: PIX in a pair, NODE in a socket, SYS between sockets.
inline topology::graph pcie_tree(int sockets, int per_socket) {
  topology::graph g;
  auto const& model = *topology::find_gpu_model("l4");
  topology::detail::sockets const at(g, sockets, model);
  auto const pix = topology::part_of(topology::default_link(path_kind::pix, model), 2);
  auto up = topology::default_link(path_kind::node, model);
  up.latency = up.latency / 2 - pix.latency;
  topology::graph::vertex_descriptor bridge = 0;
  for (int i = 0; i < sockets * per_socket; ++i) {
    int const n = i / per_socket, local = i % per_socket;
    if (local % 2 == 0) {
      bridge = g.add(topology::vertex_kind::pcie_switch, "PCIe switch " + std::to_string(i / 2), {}, n);
      g.connect(bridge, at.numa[static_cast<std::size_t>(n)], up);
    }
    g.connect(g.add(topology::make_gpu(model, i, n)), bridge, pix);
  }
  return g;
}

/// `count` hosts called node0, node1, …, each with `per_host` H100s on NVSwitch and one network card; one network joins them.
inline topology::graph joined_hosts(int count, int per_host) {
  topology::graph g;
  auto const& model = *topology::find_gpu_model("h100");
  auto const network = g.add(topology::vertex_kind::nic, "network", "network");
  auto const net = topology::part_of(topology::default_link(path_kind::network, model), 4);
  for (int h = 0; h < count; ++h) {
    auto const host = "node" + std::to_string(h);
    topology::detail::sockets const at(g, 1, model, host);
    auto const cards = topology::detail::add_cards(g, at, per_host, model, path_kind::node, host);
    topology::detail::join_by_nvswitch(g, cards, model, host);
    auto const nic = g.add(topology::vertex_kind::nic, "NIC0", host, 0);
    g.connect(at.numa[0], nic, topology::part_of(topology::default_link(path_kind::pix, model), 4));
    g.connect(nic, network, net);
  }
  return g;
}

/// Two hosts of `per_host` H100s.
inline topology::graph two_hosts(int per_host) { return joined_hosts(2, per_host); }

/// A random graph of at most 5 devices and 5 other vertices, with few distinct bandwidths and latencies, so that ties happen; it
/// need not be connected. The same seed gives the same graph on every platform.
inline topology::graph random_graph(std::uint32_t seed) {
  std::mt19937 random(seed);
  auto const below = [&](std::uint32_t n) { return static_cast<int>(random() % n); };
  topology::graph g;
  int const devices = 2 + below(4), others = below(6);
  for (int i = 0; i < devices; ++i) g.add(topology::make_gpu(topology::uniform_gpu, i));
  for (int i = 0; i < others; ++i) g.add(topology::vertex_kind::pcie_switch, "s" + std::to_string(i));
  auto const all = static_cast<std::uint32_t>(devices + others);
  int const links = below(2 * all + 1);
  for (int i = 0; i < links; ++i) {
    auto const a = static_cast<std::size_t>(below(all)), b = static_cast<std::size_t>(below(all));
    auto const kind = below(3) == 0 ? path_kind::nvlink : below(2) == 0 ? path_kind::pix : path_kind::sys;
    int const nvlinks = kind == path_kind::nvlink ? 1 + below(4) : 0;
    link const l{kind, nvlinks, gigabytes_per_second{static_cast<double>(1 + below(4))},
                 microseconds{static_cast<double>(below(5))}, false};
    if (a != b) g.connect(a, b, l);
  }
  return g;
}

}  // namespace gpuplace::testing
