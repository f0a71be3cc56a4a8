#pragma once
/// @file
/// A topology as a Graphviz picture.

#include <algorithm>
#include <array>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/pcie_tree.hpp>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// Text in double quotes; control characters and bytes that are no UTF-8 text become '?'.
inline std::string dot_quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else out += (c >= 0 && c < ' ') || c == '\x7f' ? '?' : c;
  }
  return out + '"';
}

/// The links straight from device to device, by the places of the two devices.
struct direct_links {
  std::map<std::pair<std::size_t, std::size_t>, link> between;

  explicit direct_links(graph const& g) {
    for (auto [e, end] = edges(g); e != end; ++e)
      if (is_direct(g, *e)) between.insert_or_assign(std::minmax({g[source(*e, g)].device, g[target(*e, g)].device}), g[*e]);
  }
  template <class Edge>
  static bool is_direct(graph const& g, Edge const& e) {
    return g[source(e, g)].kind == vertex_kind::device && g[target(e, g)].kind == vertex_kind::device;
  }
};

/// The bundle that every two devices of `g` have alike, of three devices or more.
inline std::optional<link> even_bundle(graph const& g, direct_links const& direct) {
  auto const count = g.devices().size();
  if (count < 3 || direct.between.size() != count * (count - 1) / 2) return std::nullopt;
  auto const& first = direct.between.begin()->second;
  for (auto const& [ends, l] : direct.between)
    if (!is_bundle(l.kind) || l != first) return std::nullopt;
  return first;
}

/// How a full mesh of `count` devices is drawn as one vertex: more links than a card has mean switches, and more than four
/// devices would make a ball of wool. Empty where the mesh itself is drawn.
inline std::string hub_name(link const& bundle, std::size_t count) {
  constexpr std::size_t most_nvlinks = 18;
  if (bundle.kind == path_kind::nvlink && static_cast<std::size_t>(bundle.nvlinks) * (count - 1) > most_nvlinks) return "NVSwitch";
  return count > 4 ? bundle.label() + " between every two" : std::string();
}

/// `g` as it is drawn: a full mesh as a hub; and where there are only links for pairs of devices, as a list of paths gives them,
/// the PCIe switches and NUMA nodes that would make such pairs.
inline graph drawn(graph const& g) {
  direct_links const direct(g);
  if (direct.between.empty()) return g;
  auto const bundle = even_bundle(g, direct);
  auto const hub = bundle ? hub_name(*bundle, g.devices().size()) : std::string();
  bool const pairs_only = num_vertices(g) == g.devices().size();
  graph made;
  made.source = g.source;
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    if (g[v].kind == vertex_kind::device) made.add(g.devices()[g[v].device]);
    else made.add(g[v].kind, g[v].name, g[v].host, g[v].numa);
  auto const& at = made.device_vertices();
  if (!hub.empty()) {
    auto const fabric = made.add(vertex_kind::nvswitch, hub);
    for (auto const v : at) made.connect(v, fabric, *bundle);
  }
  pcie_relations between(at.size(), std::vector<path_kind>(at.size(), path_kind::none));
  for (auto [e, end] = edges(g); e != end; ++e) {
    auto const a = source(*e, g), b = target(*e, g);
    bool const pair = direct_links::is_direct(g, *e);
    if (pair && is_bundle(g[*e].kind) && !hub.empty()) continue;
    if (pair && pairs_only && is_pcie(g[*e].kind))
      between[g[a].device][g[b].device] = between[g[b].device][g[a].device] = g[*e].kind;
    else made.connect(a, b, g[*e]);
  }
  return !pairs_only || join_by_pcie(made, at, between, unknown_gpu) ? made : g;
}

inline std::string dot_vertex(graph const& g, graph::vertex_descriptor v) {
  auto const& at = g[v];
  if (at.kind == vertex_kind::device) {
    auto const& d = g.devices()[at.device];
    auto text = to_string(d.id) + '\n' + d.name + '\n' + to_string(d.capacity);
    if (d.free) text += '\n' + to_string(*d.free) + " free";
    return "shape=box, style=\"filled,rounded\", fillcolor=\"#d5e8c2\", label=" + dot_quoted(text);
  }
  constexpr std::array<std::string_view, 5> looks{"shape=box, style=filled, fillcolor=\"#dddddd\"",
                                                  "shape=box, style=filled, fillcolor=\"#cfe2f3\"",
                                                  "shape=ellipse, style=filled, fillcolor=\"#fff2cc\"",
                                                  "shape=hexagon, style=filled, fillcolor=\"#b6d7a8\", fontsize=14, width=3",
                                                  "shape=component, style=filled, fillcolor=\"#f4cccc\""};
  return std::string(looks[static_cast<std::size_t>(at.kind)]) + ", label=" + dot_quoted(at.name);
}

/// Links between cards bold and green with their number; PCIe thin and grey, the way between sockets dashed, networks dotted.
inline std::string dot_link(link const& l) {
  switch (l.kind) {
    case path_kind::nvlink:
    case path_kind::xgmi: {
      auto const width = std::to_string(std::min(6, 1 + l.nvlinks));
      auto const count = l.kind == path_kind::xgmi && l.nvlinks > 1 ? " x" + std::to_string(l.nvlinks) : std::string();
      return "color=\"#4c8c00\", style=bold, fontcolor=\"#3a6b00\", penwidth=" + width + ", label=" + dot_quoted(l.label() + count);
    }
    case path_kind::sys: return "color=\"#999999\", style=dashed, label=SYS, fontsize=9";
    case path_kind::network: return "color=\"#3366cc\", style=dotted, label=NET, fontsize=9";
    default: return "color=\"#666666\", fontsize=9, label=" + dot_quoted(l.label());
  }
}

/// From top to bottom: the host, what lies between, the devices and network cards, and NVSwitches below them.
constexpr int dot_rank(vertex_kind kind) {
  return kind == vertex_kind::nvswitch ? 9 : kind == vertex_kind::device || kind == vertex_kind::nic ? 8 : static_cast<int>(kind);
}

/// The vertices of one host by NUMA node; those of none, and what stands between the nodes, under -1.
using numa_members = std::map<int, std::vector<graph::vertex_descriptor>>;

inline std::string dot_cluster(graph const& g, std::string const& host, numa_members const& nodes, std::size_t number) {
  auto const title = host.empty() ? (g.source.empty() ? std::string("machine") : g.source) : host;
  auto const name = "cluster_" + std::to_string(number);
  auto text = "  subgraph " + name + " {\n    label=" + dot_quoted(title) + ";\n    color=\"#999999\";\n";
  for (auto const& [numa, members] : nodes) {
    bool const boxed = numa >= 0;
    if (boxed)
      text += "    subgraph " + name + "_" + std::to_string(numa) +
              " {\n    label=\"\"; style=\"rounded,filled\"; color=\"#f2f2f2\";\n";
    for (auto const v : members) text += "    v" + std::to_string(v) + " [" + dot_vertex(g, v) + "];\n";
    if (boxed) text += "    }\n";
  }
  return text + "  }\n";
}

/// The devices of a host on one line, so that NVSwitches come below all of them; on two lines, a block in each NUMA node, where
/// links go from device to device.
inline std::string dot_rows(graph const& g, numa_members const& nodes, bool mesh) {
  std::array<std::string, 2> rows;
  for (auto const& [numa, members] : nodes) {
    std::vector<graph::vertex_descriptor> devices;
    for (auto const v : members)
      if (g[v].kind == vertex_kind::device) devices.push_back(v);
    for (std::size_t i = 0; i < devices.size(); ++i)
      rows[mesh && i >= (devices.size() + 1) / 2 ? 1 : 0] += " v" + std::to_string(devices[i]) + ";";
  }
  std::string text;
  for (auto const& row : rows)
    if (!row.empty()) text += "  { rank=same;" + row + " }\n";
  return text;
}

}  // namespace detail

/// `g` for Graphviz: each host a frame, each NUMA node a box in it, PCIe from above, NVLinks bold with their number, the NVSwitches
/// one vertex below the devices. A graph of nothing but links for pairs of devices, as a list of paths has them, is drawn with the
/// switches and nodes that make such pairs. Render it with `dot -Tsvg`.
/// Complexity: O(V + E); for lists of paths O(n³) at worst in devices
inline std::string to_dot(graph const& whole) {
  auto const g = detail::drawn(whole);
  std::map<std::string, detail::numa_members> hosts;
  for (std::size_t v = 0; v < num_vertices(g); ++v) hosts[g[v].host][g[v].numa].push_back(v);
  std::string text =
      "graph topology {\n  graph [fontname=Helvetica, newrank=true, ranksep=0.6, nodesep=0.25];\n"
      "  node [fontname=Helvetica, fontsize=10];\n  edge [fontname=Helvetica, fontsize=10];\n";
  std::size_t number = 0;
  bool const mesh = g.devices().size() > 2 && !detail::direct_links(g).between.empty();
  for (auto const& [host, nodes] : hosts) text += detail::dot_cluster(g, host, nodes, number++) + detail::dot_rows(g, nodes, mesh);
  std::vector<path_kind> nearest(num_vertices(g), path_kind::none);
  for (auto [e, end] = edges(g); e != end; ++e)
    for (auto const v : {source(*e, g), target(*e, g)}) nearest[v] = std::min(nearest[v], g[*e].kind);
  for (auto [e, end] = edges(g); e != end; ++e) {
    auto upper = source(*e, g), lower = target(*e, g);
    bool const direct = detail::direct_links::is_direct(g, *e);
    if (direct && g[*e].kind >= path_kind::sys && std::max(nearest[upper], nearest[lower]) < g[*e].kind) continue;
    if (detail::dot_rank(g[lower].kind) < detail::dot_rank(g[upper].kind)) std::swap(upper, lower);
    text += "  v" + std::to_string(upper) + " -- v" + std::to_string(lower) + " [" + detail::dot_link(g[*e]) + "];\n";
  }
  return text + "}\n";
}

}  // namespace gpuplace::topology
