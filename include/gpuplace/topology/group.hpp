#pragma once
/// @file
/// From a graph to a device group: paths are found when they are asked for.

#include <cstddef>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/path_table.hpp>
#include <memory>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// Every device of `g` in its order; keeps the graph.
/// Complexity: O(V + E) now, paths when they are first asked for: see path_table
inline device_group all_devices(graph g) {
  auto table = std::make_shared<path_table const>(std::move(g));
  std::shared_ptr<std::vector<device> const> devices(table, &table->whole().devices());
  return {std::move(devices), [table](std::size_t from, std::size_t to) { return table->between(from, to); }};
}

}  // namespace gpuplace::topology
