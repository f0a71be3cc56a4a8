#pragma once
/// @file
/// From "what lies between every two" to the tree that it describes: PCIe switches, host bridges, NUMA nodes, one host.

#include <algorithm>
#include <array>
#include <cstddef>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// What lies between every two of some vertices: a PCIe kind, or path_kind::none where nobody said.
using pcie_relations = std::vector<std::vector<path_kind>>;

namespace detail {

inline constexpr std::array<path_kind, 5> pcie_levels{path_kind::pix, path_kind::pxb, path_kind::phb, path_kind::node,
                                                      path_kind::sys};

/// Whose group each of `count` things is in; groups only grow together.
class grouping {
public:
  explicit grouping(std::size_t count) : root_(count) { std::iota(root_.begin(), root_.end(), std::size_t{0}); }
  std::size_t of(std::size_t i) const { return root_[i]; }
  void unite(std::size_t a, std::size_t b) {
    auto const [low, high] = std::minmax(root_[a], root_[b]);
    std::ranges::replace(root_, std::size_t{high}, std::size_t{low});
  }

private:
  std::vector<std::size_t> root_;
};

/// The groups at each level of the tree, nearest first; empty if what is said of the pairs makes no tree.
inline std::vector<grouping> pcie_groups(pcie_relations const& between, std::vector<int> const& numa) {
  auto const count = between.size();
  std::vector<grouping> levels;
  grouping now(count);
  for (auto const kind : pcie_levels) {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        bool const same_node = kind == path_kind::node && between[i][j] == path_kind::none && numa[i] >= 0 && numa[i] == numa[j];
        if (between[i][j] == kind || same_node) now.unite(i, j);
      }
    for (std::size_t i = 0; i < count; ++i)  // a pair that is said to lie farther apart must not have come together yet
      for (std::size_t j = 0; j < i; ++j)
        if (between[i][j] != path_kind::none && between[i][j] > kind && now.of(i) == now.of(j)) return {};
    levels.push_back(now);
  }
  return levels;
}

/// Part of the tree that still has no parent.
struct pcie_head {
  graph::vertex_descriptor vertex;
  std::size_t leaf = 0;    ///< any leaf below it
  microseconds climbed{};  ///< half the latency of the way between two leaves that turns around here
  int numa = -1;
  bool is_numa_node = false;
};

/// The link from `below` up to a vertex at which ways of `kind` turn around.
inline link upward(path_kind kind, gpu_model const& model, pcie_head const& below) {
  auto l = default_link(kind, model);
  l.latency = l.latency / 2 - below.climbed;
  return l;
}

inline pcie_head join_heads(graph& g, std::vector<pcie_head> const& heads, vertex_kind as, path_kind kind, gpu_model const& model,
                            std::string const& host) {
  pcie_head top{.vertex = {},
                .leaf = heads.front().leaf,
                .climbed = default_link(kind, model).latency / 2,
                .numa = heads.front().numa,
                .is_numa_node = as == vertex_kind::numa_node};
  for (auto const& head : heads)
    if (head.numa != top.numa) top.numa = -1;
  auto const name = as == vertex_kind::host        ? (host.empty() ? std::string("host") : host)
                    : as == vertex_kind::numa_node ? (top.numa < 0 ? "CPU" : "numa " + std::to_string(top.numa))
                    : kind == path_kind::phb       ? "host bridge"
                                                   : "PCIe switch";
  top.vertex = g.add(as, name, host, as == vertex_kind::host ? -1 : top.numa);
  for (auto const& head : heads) g.connect(head.vertex, top.vertex, upward(kind, model, head));
  return top;
}

}  // namespace detail

/// Joins `leaves` by the tree of switches, host bridges and NUMA nodes that makes the way between every two of them what `between`
/// says; where it says nothing, those of one NUMA node lie in that node, others apart. NUMA nodes are those of the vertices.
/// When to use: for matrices such as nvidia-smi's, which name pairs; where the tree itself is known, build it.
/// Shape:      n leaves; `between` n × n and symmetric
/// Returns:    false, and adds nothing, where no tree has these ways (then link the pairs themselves)
/// Complexity: O(n³) at worst
inline bool join_by_pcie(graph& g, std::vector<graph::vertex_descriptor> const& leaves, pcie_relations const& between,
                         gpu_model const& model, std::string const& host = {}) {
  std::vector<int> numa;
  for (auto const v : leaves) numa.push_back(g[v].numa);
  auto const levels = detail::pcie_groups(between, numa);
  if (levels.empty()) return false;
  constexpr std::size_t bridge = 2, node = 3;
  for (std::size_t i = 0; i < leaves.size(); ++i)  // a network card is where the devices beside it are
    for (std::size_t j = 0; j < leaves.size() && numa[i] < 0; ++j)
      if (levels[node].of(i) == levels[node].of(j)) g[leaves[i]].numa = numa[i] = numa[j];
  std::vector<detail::pcie_head> heads;
  for (std::size_t i = 0; i < leaves.size(); ++i) heads.push_back({leaves[i], i, {}, numa[i], false});
  for (std::size_t level = 0; level <= node; ++level) {
    std::vector<detail::pcie_head> next;
    for (std::size_t root = 0; root < leaves.size(); ++root) {
      std::vector<detail::pcie_head> group;
      for (auto const& head : heads)
        if (levels[level].of(head.leaf) == root) group.push_back(head);
      if (group.empty()) continue;
      auto const spans_node = [&] {
        for (std::size_t i = 0; i < leaves.size(); ++i)
          if ((levels[level].of(i) == root) != (levels[node].of(i) == levels[node].of(root))) return false;
        return true;
      };
      bool const whole_node = level == node || (level == bridge && spans_node());
      bool const named = level == node && group.front().numa >= 0 && !group.front().is_numa_node;
      if (group.size() == 1 && !named) next.push_back(group.front());
      else
        next.push_back(detail::join_heads(g, group, whole_node ? vertex_kind::numa_node : vertex_kind::pcie_switch,
                                          detail::pcie_levels[level], model, host));
    }
    heads = std::move(next);
  }
  if (heads.size() > 1) detail::join_heads(g, heads, vertex_kind::host, path_kind::sys, model, host);
  return true;
}

}  // namespace gpuplace::topology
