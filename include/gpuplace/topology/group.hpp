#pragma once
/// @file
/// From a graph to a device group: paths are found when they are asked for.

#include <algorithm>
#include <gpuplace/topology/best_paths.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// The best paths between a graph's devices, a row at a time, each row found once and kept.
/// Threads:    const calls are safe on shared objects
class path_table {
public:
  explicit path_table(graph g) : graph_(std::move(g)), rows_(std::make_unique<row[]>(graph_.devices().size())) {}

  /// The best path between devices `from` and `to`; the same in both directions.
  /// Complexity: O(1) once the row of the lower number is there; see best_paths for the row
  path between(std::size_t from, std::size_t to) const {
    if (from == to) return path{.kind = path_kind::self};
    auto const [low, high] = std::minmax(from, to);
    row& r = rows_[low];
    std::call_once(r.found, [&, low = low] { fill(r, low); });
    return r.paths[high - low - 1];
  }

  graph const& whole() const { return graph_; }

private:
  struct row {
    std::once_flag found;
    std::vector<path> paths;  // to the devices after this one
  };

  void fill(row& r, std::size_t source) const {
    auto const& devices = graph_.devices();
    std::span const vertices(graph_.device_vertices());
    r.paths = best_paths(graph_, vertices[source], vertices.subspan(source + 1));
    for (std::size_t i = 0; i < r.paths.size(); ++i)
      r.paths[i] = between_devices(r.paths[i], devices[source].peer_to_peer && devices[source + 1 + i].peer_to_peer);
  }

  graph graph_;
  std::unique_ptr<row[]> rows_;
};

/// Every device of `g` in its order; keeps a copy of the graph.
/// Complexity: O(V + E) now, a row of paths when one is first asked for
inline device_group all_devices(graph g) {
  auto table = std::make_shared<path_table const>(std::move(g));
  auto devices = table->whole().devices();
  return {std::move(devices), [table](std::size_t from, std::size_t to) { return table->between(from, to); }};
}

}  // namespace gpuplace::topology
