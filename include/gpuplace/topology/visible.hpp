#pragma once
/// @file
/// Which CUDA devices a program would see, and under which numbers: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/group.hpp>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::topology {

/// The variables that CUDA reads, as a value: a variable that is not set is not the same as an empty one.
struct environment {
  std::optional<std::string> cuda_visible_devices{};
  std::optional<std::string> cuda_device_order{};
};

/// The environment of this process.
inline environment this_environment() {
  auto const read = [](char const* name) {
    char const* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return {read("CUDA_VISIBLE_DEVICES"), read("CUDA_DEVICE_ORDER")};
}

namespace detail {

/// The leading number of `entry` as CUDA reads it: blanks and a sign may precede, anything may follow ("1gpu" is 1, "0x1" is 0),
/// and it wraps at 32 bits. None when there is no digit or the number is negative.
inline std::optional<std::size_t> leading_ordinal(std::string_view entry) {
  std::size_t at = entry.find_first_not_of(" \t\n\v\f\r");
  if (at == entry.npos) return std::nullopt;
  bool const negative = entry[at] == '-';
  if (negative || entry[at] == '+') ++at;
  std::size_t const first = at;
  std::uint32_t value = 0;
  for (; at < entry.size() && entry[at] >= '0' && entry[at] <= '9'; ++at)
    value = value * 10 + static_cast<std::uint32_t>(entry[at] - '0');
  if (at == first) return std::nullopt;
  if (negative) value = 0 - value;
  if (value > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) return std::nullopt;
  return value;
}

/// The hexadecimal digits of a UUID after its "GPU-": dashes and case do not count, what follows the digits neither.
inline std::string uuid_digits(std::string_view text) {
  std::string digits;
  for (char const c : gpuplace::detail::lowered(text)) {
    if (c == '-') continue;
    if (digits.size() == 32) break;
    digits += c;
  }
  return digits;
}

/// The one device whose UUID begins as `entry` does; none when no device's does, or several.
inline std::optional<std::size_t> by_uuid(std::string_view entry, std::string_view prefix, std::span<device const* const> devices) {
  if (!entry.starts_with(prefix)) return std::nullopt;
  auto const wanted = uuid_digits(entry.substr(prefix.size()));
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (!devices[i]->uuid.starts_with(prefix)) continue;
    if (!uuid_digits(std::string_view(devices[i]->uuid).substr(prefix.size())).starts_with(wanted)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

inline std::vector<std::string_view> comma_separated(std::string_view text) {
  std::vector<std::string_view> entries;
  for (std::size_t from = 0;;) {
    auto const comma = text.find(',', from);
    entries.push_back(text.substr(from, comma == text.npos ? comma : comma - from));
    if (comma == text.npos) return entries;
    from = comma + 1;
  }
}

/// Positions in `devices`, in the order in which CUDA numbers them.
inline result<std::vector<std::size_t>> cuda_selection(std::string_view list, std::span<device const* const> devices) {
  auto const entries = comma_separated(list);
  bool const by_mig = entries[0].starts_with("MIG-");
  bool const by_gpu = entries[0].starts_with("GPU-");
  bool const any_uuid = std::ranges::any_of(devices, [](device const* d) { return !d->uuid.empty(); });
  if (by_mig && std::ranges::none_of(devices, [](device const* d) { return d->uuid.starts_with("MIG-"); }))
    return error{errc::unsupported, "no MIG slice is described in this topology, '" + std::string(entries[0]) + "' names one",
                 "CUDA_VISIBLE_DEVICES", "name whole GPUs by number or by GPU-… UUID"};
  if (by_gpu && !any_uuid && !devices.empty())
    return error{errc::unsupported, "this topology has no UUIDs, '" + std::string(entries[0]) + "' cannot be found",
                 "CUDA_VISIBLE_DEVICES", "name the devices by number"};
  std::vector<std::size_t> chosen;
  for (auto const entry : entries) {
    auto position = by_mig || by_gpu ? by_uuid(entry, by_mig ? "MIG-" : "GPU-", devices) : leading_ordinal(entry);
    if (!position || *position >= devices.size()) break;
    if (std::ranges::find(chosen, *position) != chosen.end())
      return error{errc::invalid_argument, "device '" + std::string(entry) + "' is named twice, CUDA would refuse to start",
                   "CUDA_VISIBLE_DEVICES=" + std::string(list), "name each device once"};
    chosen.push_back(*position);
  }
  return chosen;
}

/// Puts the devices of one host in the order that CUDA gives them.
inline result<std::vector<std::size_t>> cuda_order(std::optional<std::string> const& order, bool nvml_order,
                                                   std::span<device const* const> devices) {
  if (order && *order != "PCI_BUS_ID" && *order != "FASTEST_FIRST")
    return error{errc::invalid_argument, "'" + *order + "' is not an order, CUDA would refuse to start", "CUDA_DEVICE_ORDER",
                 "write FASTEST_FIRST or PCI_BUS_ID, or unset it"};
  std::vector<std::size_t> positions(devices.size());
  std::iota(positions.begin(), positions.end(), std::size_t{0});
  if (!nvml_order) return positions;
  if (order == "PCI_BUS_ID")
    std::ranges::stable_sort(positions, {}, [&](std::size_t i) -> std::string const& { return devices[i]->pci; });
  else
    std::ranges::stable_sort(positions, std::greater<>{}, [&](std::size_t i) { return devices[i]->peak_fp32; });
  return positions;
}

}  // namespace detail

/// `g` with the CUDA devices that a program would see in `env`, renumbered cuda:0, cuda:1, … as CUDA numbers them.
/// `physical_index`, `uuid` and `pci` stay; CPU slots are not affected, and stay after the CUDA devices of their host if they were.
/// The rules of CUDA_VISIBLE_DEVICES: not set, all devices; empty, none. An entry is a number or the beginning of a UUID that
/// only one device has; the first entry decides which of the two the list is made of. The first entry that names no device hides
/// itself and all that follow (so "-1" and "none" hide all). A device named twice before that makes CUDA fail to start, which is
/// an error here. With several hosts the list holds on each of them.
/// CUDA_DEVICE_ORDER counts where the graph is in NVML's order; a topology file's order is the order.
/// FASTEST_FIRST, the default, compares fp32 peaks, an approximation of CUDA's own guess.
/// Errors:     errc::invalid_argument (a device named twice, an unknown order), errc::unsupported (MIG, UUIDs the graph lacks)
/// Complexity: O(V + E + devices × entries)
/// Source:     CUDA C++ Programming Guide, "CUDA Environment Variables"; what the guide leaves open (duplicates, blanks, signs,
///             trailing text, mixed lists, 32-bit wrap) was tried on two H100s
inline result<graph> visible_graph(graph const& g, environment const& env) {
  std::map<std::string, std::vector<std::size_t>, std::less<>> hosts;  // the CUDA devices of each
  auto const& devices = g.devices();
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (devices[i].id.kind == device_kind::cuda) hosts[devices[i].id.host].push_back(i);
  if (!env.cuda_visible_devices && !(env.cuda_device_order || g.nvml_order)) return g;

  std::map<std::string, std::vector<std::size_t>, std::less<>> seen;
  for (auto const& [host, members] : hosts) {
    std::vector<device const*> listed;
    for (auto const i : members) listed.push_back(&devices[i]);
    GPUPLACE_TRY(auto const ordered, detail::cuda_order(env.cuda_device_order, g.nvml_order, listed));
    std::vector<device const*> numbered;
    for (auto const i : ordered) numbered.push_back(listed[i]);
    std::vector<std::size_t> chosen(numbered.size());
    std::iota(chosen.begin(), chosen.end(), std::size_t{0});
    if (env.cuda_visible_devices) {
      GPUPLACE_TRY(chosen, detail::cuda_selection(*env.cuda_visible_devices, numbered));
    }
    for (auto const i : chosen) seen[host].push_back(members[ordered[i]]);
  }

  graph made;
  made.source = g.source;
  constexpr auto hidden = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> moved(num_vertices(g), hidden);
  auto const keep = [&](std::size_t i, std::optional<int> index) {
    device d = devices[i];
    if (index) d.id.index = *index;
    moved[g.device_vertices()[i]] = made.add(std::move(d));
  };
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    if (g[v].kind != vertex_kind::device) moved[v] = made.add(g[v].kind, g[v].name, g[v].host, g[v].numa);
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].id.kind != device_kind::cuda) {
      keep(i, std::nullopt);
    } else if (auto const at = seen.find(devices[i].id.host); at != seen.end()) {
      int index = 0;
      for (auto const member : at->second) keep(member, index++);
      seen.erase(at);
    }
  }
  for (auto [e, end] = edges(g); e != end; ++e)
    if (moved[source(*e, g)] != hidden && moved[target(*e, g)] != hidden)
      made.connect(moved[source(*e, g)], moved[target(*e, g)], g[*e]);
  return made;
}

/// The devices that a program would see in `env`: `visible_graph` as a device group.
inline result<device_group> visible(graph const& g, environment const& env = this_environment()) {
  GPUPLACE_TRY(auto seen, visible_graph(g, env));
  return all_devices(std::move(seen));
}

}  // namespace gpuplace::topology
