#pragma once
/// @file
/// What a plan puts on each of its devices.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

namespace gpuplace {

/// The sums over all stages of all models on one device.
struct device_usage {
  bytes weights;
  bytes kv;         ///< the demand
  bytes kv_pool;    ///< the grant
  bytes workspace;  ///< of the stages, and what the device's used bytes hold beyond weights, KV and that: the backend's own
  std::size_t stages = 0;

  friend bool operator==(device_usage const&, device_usage const&) = default;
};

/// The entry of `id` in the plan's list of devices, or null.
inline planned_device const* find_device(plan const& p, device_id const& id) {
  auto const found = std::find_if(p.devices.begin(), p.devices.end(), [&](auto const& d) { return d.id == id; });
  return found == p.devices.end() ? nullptr : &*found;
}

/// Shape:      devices [0, D) -> usage [0, D)
/// Complexity: O((stages + D) log D)
inline std::vector<device_usage> usage_by_device(plan const& p) {
  std::map<device_id, std::size_t> index;
  for (std::size_t d = 0; d < p.devices.size(); ++d) index.emplace(p.devices[d].id, d);
  std::vector<device_usage> usage(p.devices.size());
  for (auto const& m : p.models)
    for (auto const& r : m.replicas)
      for (auto const& s : r.stages) {
        auto const found = index.find(s.device);
        if (found == index.end()) continue;
        auto& on = usage[found->second];
        on.weights += s.weight_bytes;
        on.kv += s.kv_bytes;
        on.kv_pool += s.kv_pool_bytes;
        on.workspace += s.workspace_bytes;
        ++on.stages;
      }
  for (std::size_t d = 0; d < usage.size(); ++d)
    usage[d].workspace = std::max(usage[d].workspace, p.devices[d].used_bytes - usage[d].weights - usage[d].kv);
  return usage;
}

}  // namespace gpuplace
