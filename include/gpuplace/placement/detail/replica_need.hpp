#pragma once
/// @file
/// How many devices a replica needs for its memory.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/placement/detail/fill_in_order.hpp>
#include <gpuplace/placement/device_choice.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Whether one replica of every model fits a group as some chain of whole units does: each device is filled in turn.
inline bool fits_filled(workload const& work, device_group group) {
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    auto const& units = work.models[m].model.units;
    auto const& load = work.models[m].load;
    auto const filled = fill_in_order(units, group, load, first_device::is_filled);
    if (filled.next < units.size()) return false;
    if (m + 1 == work.models.size()) break;
    std::vector<bytes> limits;
    for (std::size_t d = 0; d < group.size(); ++d) limits.push_back(group.capacity(d));
    auto const needs = memory_of(filled.spans, units, load);
    for (std::size_t s = 0; s < needs.size(); ++s) limits[filled.spans[s].device] -= needs[s].total();
    group = group.with_limits(limits);
  }
  return true;
}

/// The same for many groups; of groups with equal limits one is looked at.
inline bool all_fit_filled(workload const& work, std::vector<device_group> const& groups) {
  std::set<std::vector<std::int64_t>> seen;
  return std::ranges::all_of(groups, [&](device_group const& g) {
    std::vector<std::int64_t> limits;
    for (std::size_t d = 0; d < g.size(); ++d) limits.push_back(g.capacity(d).count());
    return !seen.insert(std::move(limits)).second || fits_filled(work, g);
  });
}

/// The groups of a choice as parts of the view; where nothing can be chosen, slices of it.
inline std::vector<device_group> groups_of(device_group const& view, device_chooser& chooser,
                                           std::vector<std::size_t> const& sizes) {
  std::vector<device_group> groups;
  groups.reserve(sizes.size());
  auto const chosen = chooser.groups(sizes);
  for (auto const& positions : chosen.value().groups) groups.push_back(view.subset(positions));
  return groups;
}
inline std::vector<device_group> equal_groups(device_group const& view, device_chooser& chooser, std::size_t count) {
  return groups_of(view, chooser, std::vector<std::size_t>(count, view.size() / count));
}

/// What one replica of every model takes, and over how many devices it has to be split.
struct replica_need {
  bytes memory;
  bytes device;             ///< the limit of the view's largest device
  std::size_t devices = 0;  ///< the fewest in a group of which the view makes equal groups that all fit; 0: not even all do

  /// `qwen2.5-7b in bf16 needs 16.4 GiB and a device has 12 GiB`
  std::string text(workload const& work) const {
    std::string names;
    for (auto const& m : work.models)
      names += (names.empty() ? "" : " and ") + m.model.name + " in " + std::string(to_string(m.model.type));
    return names + (work.models.size() == 1 ? " needs " : " need ") + to_string(memory) + " and a device has " + to_string(device);
  }
};

inline replica_need need_of(workload const& work, device_group const& view, device_chooser& chooser) {
  replica_need need;
  std::size_t most = 0;
  for (auto const& m : work.models) {
    need.memory += total_need(m.model.units, m.load);
    most = std::max(most, m.model.units.size());
  }
  bool alike = true;
  for (std::size_t d = 0; d < view.size(); ++d) {
    need.device = std::max(need.device, view.capacity(d));
    alike = alike && view.capacity(d) == view.capacity(0);
  }
  if (need.device.count() <= 0) return need;
  auto const all_fit = [&](std::size_t size) {
    return alike ? fits_filled(work, view.slice(0, size)) : all_fit_filled(work, equal_groups(view, chooser, view.size() / size));
  };
  auto const least = (need.memory.count() + need.device.count() - 1) / need.device.count();
  for (auto size = static_cast<std::size_t>(std::max<std::int64_t>(1, least)); size <= std::min(most, view.size()); ++size)
    if (all_fit(size)) {
      need.devices = size;
      return need;
    }
  return need;
}

inline std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace gpuplace::detail
