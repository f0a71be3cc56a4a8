#pragma once
/// @file
/// Which device of a machine is which of a plan's.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::detail {

/// The surest way first.
enum class found_by { uuid, pci, index };

constexpr std::string_view to_string(found_by how) {
  return how == found_by::uuid ? "UUID" : how == found_by::pci ? "PCI id" : "index";
}

struct device_matching {
  std::vector<std::optional<std::size_t>> at;  ///< of each of the plan's devices: its position in the view
  std::vector<found_by> how;
};

/// "00000000:18:00.0" and "0000:18:00.0" are one address: NVML writes the domain with eight digits, Linux with four.
inline std::string pci_key(std::string_view pci) {
  auto const first = pci.find_first_not_of('0');
  return lowered(first == pci.npos ? pci : pci.substr(first));
}

/// A plan of one host and a machine of one host may call it differently, or not at all.
inline bool one_host(plan const& stored, device_group const& view) {
  std::set<std::string_view> theirs, ours;
  for (auto const& d : stored.devices) theirs.insert(d.id.host);
  for (auto const& d : view) ours.insert(d.id.host);
  return theirs.size() <= 1 && ours.size() <= 1;
}

/// Pairs devices by their UUID, then the rest by PCI id, then by index; those that stages use come first.
/// Complexity: O(n log n)
inline device_matching match_devices(plan const& stored, device_group const& view, std::vector<bool> const& used) {
  device_matching found{std::vector<std::optional<std::size_t>>(stored.devices.size()),
                        std::vector<found_by>(stored.devices.size(), found_by::index)};
  bool const any_host = one_host(stored, view);
  std::vector<bool> taken(view.size());
  auto const key_of = [&](found_by how, device_id const& id, std::string const& uuid, std::string const& pci) -> std::string {
    auto const host = any_host ? std::string() : id.host + '/';
    if (how == found_by::uuid) return lowered(uuid);
    if (how == found_by::pci) return pci.empty() ? std::string() : host + pci_key(pci);
    return host + std::string(gpuplace::to_string(id.kind)) + ':' + std::to_string(id.index);
  };
  for (auto const how : {found_by::uuid, found_by::pci, found_by::index}) {
    std::map<std::string, std::size_t> here;
    for (std::size_t i = 0; i < view.size(); ++i) here.emplace(key_of(how, view[i].id, view[i].uuid, view[i].pci), i);
    for (bool const of_stages : {true, false})
      for (std::size_t d = 0; d < stored.devices.size(); ++d) {
        auto const& planned = stored.devices[d];
        if (found.at[d] || used[d] != of_stages) continue;
        auto const key = key_of(how, planned.id, planned.uuid, planned.pci);
        auto const match = key.empty() ? here.end() : here.find(key);
        if (match == here.end() || taken[match->second]) continue;
        found.at[d] = match->second;
        found.how[d] = how;
        taken[match->second] = true;
      }
  }
  return found;
}

}  // namespace gpuplace::detail
