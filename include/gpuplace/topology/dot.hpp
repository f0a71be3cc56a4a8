#pragma once
/// @file
/// A topology as a Graphviz picture.

#include <algorithm>
#include <array>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/graph.hpp>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

inline std::string dot_quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

inline std::string dot_vertex(graph const& g, graph::vertex_descriptor v) {
  auto const& at = g[v];
  if (at.kind == vertex_kind::device) {
    auto const& d = g.devices()[at.device];
    return "shape=box, style=\"filled,rounded\", fillcolor=\"#76b90055\", label=" +
           dot_quoted(to_string(d.id) + '\n' + d.name + '\n' + to_string(d.capacity));
  }
  constexpr std::array<std::string_view, 5> looks{
      "shape=box, style=filled, fillcolor=\"#dddddd\"", "shape=box, style=filled, fillcolor=\"#cfe2f3\"",
      "shape=ellipse, style=filled, fillcolor=\"#fff2cc\"", "shape=hexagon, style=filled, fillcolor=\"#b6d7a8\"",
      "shape=component, style=filled, fillcolor=\"#f4cccc\""};
  return std::string(looks[static_cast<std::size_t>(at.kind)]) + ", label=" + dot_quoted(at.name);
}

/// NVLink thick and green, the rest thin; PCIe grey, the way between sockets dashed, networks dotted.
inline std::string dot_link(link const& l) {
  switch (l.kind) {
    case path_kind::nvlink: {
      auto const width = std::to_string(std::min(8, 1 + l.nvlinks));
      return "color=\"#4c8c00\", penwidth=" + width + ", label=" + dot_quoted(l.label());
    }
    case path_kind::sys:
      return "color=\"#999999\", style=dashed, label=SYS, fontsize=9";
    case path_kind::network:
      return "color=\"#3366cc\", style=dotted, label=NET, fontsize=9";
    default:
      return "color=\"#666666\", fontsize=9, label=" + dot_quoted(l.label());
  }
}

/// From top to bottom: the host, what lies between, the devices, and NVSwitches below them.
constexpr int dot_rank(vertex_kind kind) {
  return kind == vertex_kind::nvswitch ? 9 : kind == vertex_kind::device ? 8 : static_cast<int>(kind);
}

}  // namespace detail

/// `g` for Graphviz: each host a box around its devices, NVLinks thick. Links straight from device to device across sockets, as a
/// matrix or a list of paths has them, are left out where both have nearer ones. Render it with `dot -Tsvg`.
/// Complexity: O(V + E)
inline std::string to_dot(graph const& g) {
  std::map<std::string, std::vector<graph::vertex_descriptor>> hosts;
  for (std::size_t v = 0; v < num_vertices(g); ++v) hosts[g[v].host].push_back(v);
  std::string text =
      "graph topology {\n  graph [fontname=Helvetica];\n  node [fontname=Helvetica, fontsize=10];\n  edge [fontname=Helvetica, "
      "fontsize=10];\n";
  std::size_t number = 0;
  for (auto const& [host, members] : hosts) {
    text += "  subgraph cluster_" + std::to_string(number++) +
            " {\n    label=" + detail::dot_quoted(host.empty() ? (g.source.empty() ? "machine" : g.source) : host) +
            ";\n    color=\"#999999\";\n";
    for (auto const v : members) text += "    v" + std::to_string(v) + " [" + detail::dot_vertex(g, v) + "];\n";
    text += "  }\n";
  }
  auto const direct = [&](auto const& e) {
    return g[source(e, g)].kind == vertex_kind::device && g[target(e, g)].kind == vertex_kind::device;
  };
  std::vector<path_kind> nearest(num_vertices(g), path_kind::none);
  for (auto [e, end] = edges(g); e != end; ++e)
    for (auto const v : {source(*e, g), target(*e, g)}) nearest[v] = std::min(nearest[v], g[*e].kind);
  for (auto [e, end] = edges(g); e != end; ++e) {
    auto upper = source(*e, g), lower = target(*e, g);
    if (direct(*e) && g[*e].kind >= path_kind::sys && std::max(nearest[upper], nearest[lower]) < g[*e].kind) continue;
    if (detail::dot_rank(g[lower].kind) < detail::dot_rank(g[upper].kind)) std::swap(upper, lower);
    text += "  v" + std::to_string(upper) + " -- v" + std::to_string(lower) + " [" + detail::dot_link(g[*e]) + "];\n";
  }
  return text + "}\n";
}

}  // namespace gpuplace::topology
