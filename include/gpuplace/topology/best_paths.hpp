#pragma once
/// @file
/// The best way from one device to others: widest first, then least latency.

#include <cstddef>
#include <gpuplace/topology/concept.hpp>
#include <gpuplace/topology/ways.hpp>
#include <span>
#include <vector>

namespace gpuplace::topology {

namespace detail {

struct best_paths_fn {
  template <topology_graph G>
  std::vector<path> operator()(G const& g, vertex_t<G> source, std::span<vertex_t<G> const> targets) const {
    arcs all;
    for (auto [v, end] = vertices(g); v != end; ++v) {
      all.begin_vertex(g[*v].kind == vertex_kind::device);
      for (auto [e, last] = out_edges(*v, g); e != last; ++e) all.add(static_cast<std::size_t>(target(*e, g)), g[*e]);
    }
    all.finish();
    std::vector<std::size_t> const wanted(targets.begin(), targets.end());
    return widest_ways(all, static_cast<std::size_t>(source), wanted);
  }
};

}  // namespace detail

/// Finds the best path from `source` to each of `targets`: the largest bottleneck bandwidth, of those the least latency.
/// The order "widest, then shortest" does not survive extension by a link, so that one walk cannot find it: the first walk
/// takes the widths alone, then one walk for each distinct width takes latencies over the links at least that wide.
/// When to use: on any graph that models the concept; a device group of many hosts finds its paths host by host (path_table).
/// @tparam G   models topology_graph
/// Shape:      targets [0, T) -> paths [0, T); kind none where there is no way, self for the source
/// Errors:     none; never throws but for memory     Threads: const calls are safe on shared objects
/// Complexity: O((W + 1) (V + E) log V) for W distinct widths among the targets; machines have a handful
/// Source:     Sobrinho, "Network routing with path vector protocols" (2003), on isotone and monotone orders
inline constexpr detail::best_paths_fn best_paths{};

}  // namespace gpuplace::topology
