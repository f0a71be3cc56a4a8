#pragma once
/// @file
/// The devices of a stored plan on the machine at hand.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/placement/detail/device_matching.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// A plan whose devices have the names of this machine, and what its reader should know of how they were found.
struct resolution {
  plan resolved;
  std::vector<std::string> notes;
};

namespace detail {

/// `cuda:0 of the plan is cuda:2 here, found by its UUID`
inline std::vector<std::string> matching_notes(plan const& stored, device_group const& view, device_matching const& found) {
  std::vector<std::string> notes;
  std::map<found_by, std::size_t> counts;
  for (std::size_t d = 0; d < stored.devices.size(); ++d) {
    auto const& planned = stored.devices[d];
    if (!found.at[d]) {
      notes.push_back(to_string(planned.id) + ", idle in the plan, is not here");
      continue;
    }
    auto const& here = view[*found.at[d]];
    ++counts[found.how[d]];
    if (here.id != planned.id)
      notes.push_back(to_string(planned.id) + " of the plan is " + to_string(here.id) + " here, found by its " +
                      std::string(to_string(found.how[d])));
    if (found.how[d] == found_by::index && !planned.uuid.empty() && !here.uuid.empty())
      notes.push_back(to_string(here.id) + " is another device than the plan was made for (" + planned.uuid + ", here " +
                      here.uuid + "), taken by its index");
    if (!planned.name.empty() && !here.name.empty() && planned.name != here.name)
      notes.push_back(to_string(here.id) + " is " + here.name + ", the plan was made for " + planned.name);
  }
  std::string ways;
  for (auto const& [how, count] : counts)
    ways += (ways.empty() ? "" : ", ") + (counts.size() > 1 ? std::to_string(count) + " by " : std::string("by ")) +
            std::string(to_string(how));
  if (!ways.empty()) notes.insert(notes.begin(), "the plan's devices were found " + ways);
  return notes;
}

inline error not_here(plan const& stored, device_group const& view, device_matching const& found, std::size_t d) {
  auto const& planned = stored.devices[d];
  std::string what =
      "the plan uses " + to_string(planned.id) + (planned.uuid.empty() ? "" : " (" + planned.uuid + ")") + ", which is not here";
  for (std::size_t other = 0; other < stored.devices.size(); ++other)
    if (found.at[other] && view[*found.at[other]].id == planned.id)
      what += ": " + to_string(planned.id) + " here is the plan's " + to_string(stored.devices[other].id) + ", found by its " +
              std::string(to_string(found.how[other]));
  return {errc::not_found, std::move(what), to_string(planned.id),
          "make it visible (CUDA_VISIBLE_DEVICES), or plan again on this machine"};
}

}  // namespace detail

/// Finds every device of a stored plan in `view`: by UUID, else by PCI id, else by its name (kind, index, host), each device once.
/// Stages and the list of devices get this machine's names; the plan's limits stay. Idle devices that are not here are left out.
/// Call validate() with the result: it knows models and memory. plan_hash() is for the stored plan, which all processes share.
/// Errors:     errc::not_found for a device that stages use and that is not in `view`
/// Complexity: O(stages + devices log devices)
inline result<resolution> resolve_devices(plan const& stored, device_group const& view) {
  std::map<device_id, std::size_t> listed;
  for (std::size_t d = 0; d < stored.devices.size(); ++d) listed.emplace(stored.devices[d].id, d);
  std::vector<bool> used(stored.devices.size());
  for (auto const& m : stored.models)
    for (auto const& r : m.replicas)
      for (auto const& s : r.stages) {
        auto const at = listed.find(s.device);
        if (at == listed.end())
          return error{errc::invalid_argument, "a stage is on " + to_string(s.device) + ", which the plan does not list", m.role,
                       "list it under \"devices\""};
        used[at->second] = true;
      }
  auto const found = detail::match_devices(stored, view, used);
  for (std::size_t d = 0; d < used.size(); ++d)
    if (used[d] && !found.at[d]) return detail::not_here(stored, view, found, d);

  resolution made{stored, detail::matching_notes(stored, view, found)};
  made.resolved.devices.clear();
  for (std::size_t d = 0; d < stored.devices.size(); ++d) {
    if (!found.at[d]) continue;
    auto const& here = view[*found.at[d]];
    auto& device = made.resolved.devices.emplace_back(stored.devices[d]);
    device.id = here.id;
    device.name = here.name;
    device.uuid = here.uuid;
    device.pci = here.pci;
    device.physical_index = here.physical_index;
  }
  for (auto& m : made.resolved.models)
    for (auto& r : m.replicas)
      for (auto& s : r.stages) s.device = view[*found.at[listed.at(s.device)]].id;
  return made;
}

}  // namespace gpuplace
