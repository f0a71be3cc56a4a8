#pragma once
/// @file
/// What a backend needs beside weights and KV cache, as plain data that planning takes as an argument.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/units.hpp>

namespace gpuplace {

/// Memory that an execution backend takes on every device it uses.
struct memory_profile {
  bytes fixed;           ///< buffers, library workspaces: once for each device and process
  bytes per_step_token;  ///< beside the units' own workspace, for each token of the largest step
  bytes per_graph;       ///< for each captured graph
  int graphs = 0;        ///< how many graphs are captured on a device
  bytes granularity{1};  ///< what the allocator rounds up to
  bytes context;         ///< in place of `fixed` on a GPU: its context and what libraries load there as well; zero: as `fixed`

  constexpr bytes round_up(bytes amount) const {
    auto const step = granularity.count() > 0 ? granularity.count() : 1;
    return bytes{(amount.count() + step - 1) / step * step};
  }
  /// What one device gives up before any weight is there.
  constexpr bytes base(device_kind on = device_kind::cpu) const {
    return (on == device_kind::cuda && context > bytes{} ? context : fixed) + per_graph * graphs;
  }

  friend bool operator==(memory_profile const&, memory_profile const&) = default;
};

}  // namespace gpuplace
