#pragma once
/// @file
/// Units onto devices in their order, each device as full as it gets.

#include <gpuplace/model/demand.hpp>
#include <gpuplace/placement/stage_memory.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace gpuplace::detail {

/// What the first device is left with: accelerate keeps room there for a unit that would come back from the host.
enum class first_device { is_filled, keeps_room };

struct filled_devices {
  stages spans;
  std::size_t next = 0;  ///< the first unit that found no room; all of them: none
};

inline bytes counted_weight(unit const& u, demand const& load) {
  return u.tied && load.head == tied_head::shared ? bytes{} : u.weight_bytes;
}

/// What all units take on one device.
inline bytes total_need(std::span<unit const> units, demand const& load) { return memory_of(units, load, {}, true).total(); }

/// `[i]` is the weight of the largest unit behind unit i.
inline std::vector<bytes> largest_behind(std::span<unit const> units, demand const& load) {
  std::vector<bytes> largest(units.size());
  for (std::size_t i = units.size() - 1; i-- > 0;) largest[i] = std::max(largest[i + 1], counted_weight(units[i + 1], load));
  return largest;
}

/// Fills devices in order. A device that cannot take the next unit stays as it is for good.
/// Complexity: O(units + devices)
inline filled_devices fill_in_order(std::span<unit const> units, device_group const& group, demand const& load,
                                    first_device first) {
  bool const returns = load.head == tied_head::shared && units.back().tied && group.size() > 1;
  if (returns && total_need(units, load) <= group.capacity(0))
    return {{{.device = 0, .first = 0, .last = units.size()}}, units.size()};
  auto const chain = returns ? units.first(units.size() - 1) : units;
  auto const behind = first == first_device::keeps_room ? largest_behind(units, load) : std::vector<bytes>(units.size());
  filled_devices filled;
  std::size_t home = group.size();  // of the embedding, to which a tied head returns
  for (std::size_t d = 0; d < group.size() && filled.next < chain.size(); ++d) {
    stage_memory placed;
    auto const from = filled.next;
    for (; filled.next < chain.size(); ++filled.next) {
      auto const& u = chain[filled.next];
      bool const at_home = u.kind == unit_kind::embedding || home == d;
      auto grown = placed;
      grown.weights += counted_weight(u, load);
      grown.kv += kv_bytes(u, load);
      grown.workspace = std::max(grown.workspace, workspace_bytes(u, load));
      auto const head = returns && at_home ? kv_bytes(units.back(), load) + workspace_bytes(units.back(), load) : bytes{};
      if (grown.total() + head + (d == 0 ? behind[filled.next] : bytes{}) > group.capacity(d)) break;
      placed = grown;
      if (at_home) home = d;
    }
    if (filled.next > from) filled.spans.push_back({.device = d, .first = from, .last = filled.next});
  }
  if (!returns || filled.next < chain.size()) return filled;
  if (filled.spans.back().device == home) ++filled.spans.back().last;
  else filled.spans.push_back({.device = home, .first = chain.size(), .last = units.size()});
  filled.next = units.size();
  return filled;
}

}  // namespace gpuplace::detail
