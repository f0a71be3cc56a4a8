#pragma once
/// @file
/// Which CUDA devices a program would see, and under which numbers: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER.

#include <algorithm>
#include <charconv>
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
#include <utility>
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

/// One card as CUDA counts it: a whole device, or all the MIG slices of a card.
struct cuda_card {
  std::string uuid;
  std::vector<std::size_t> members;  ///< places in the graph's devices
  bool sliced = false;
};

/// The cards that `places` in `devices` make up; slices of one card need not stand together.
inline std::vector<cuda_card> cards_of(std::vector<device> const& devices, std::span<std::size_t const> places) {
  std::vector<cuda_card> cards;
  for (auto const i : places) {
    auto const& d = devices[i];
    bool const sliced = d.mig.has_value() || d.uuid.starts_with("MIG-");
    auto const& uuid = d.mig ? d.mig->gpu : d.uuid;
    auto const at =
        std::ranges::find_if(cards, [&](cuda_card const& c) { return sliced && c.sliced && c.uuid == uuid && !uuid.empty(); });
    if (at != cards.end()) at->members.push_back(i);
    else cards.push_back({uuid, {i}, sliced});
  }
  return cards;
}

/// The only one of `uuids` that begins as `entry` does after `prefix`; none when no other does, or several do.
inline std::optional<std::size_t> by_uuid(std::string_view entry, std::string_view prefix, std::span<std::string const> uuids) {
  if (!entry.starts_with(prefix)) return std::nullopt;
  auto const wanted = uuid_digits(entry.substr(prefix.size()));
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < uuids.size(); ++i) {
    if (!uuids[i].starts_with(prefix)) continue;
    if (!uuid_digits(std::string_view(uuids[i]).substr(prefix.size())).starts_with(wanted)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

/// "MIG-GPU-…/1/0", the older form: the slice of that card, GPU instance and compute instance.
inline std::optional<std::size_t> by_instance(std::string_view entry, std::span<device const* const> slices) {
  auto const first = entry.find('/'), second = entry.find('/', std::min(first, entry.size() - 1) + 1);
  if (first == entry.npos || second == entry.npos) return std::nullopt;
  auto const number = [](std::string_view text) {
    int value = -1;
    auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc{} && end == text.data() + text.size() ? value : -1;
  };
  int const gpu = number(entry.substr(first + 1, second - first - 1)), compute = number(entry.substr(second + 1));
  for (std::size_t i = 0; i < slices.size() && gpu >= 0 && compute >= 0; ++i) {
    auto const& mig = slices[i]->mig;
    if (mig && mig->gpu_instance == gpu && mig->compute_instance == compute && "MIG-" + mig->gpu == entry.substr(0, first))
      return i;
  }
  return std::nullopt;
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

/// The places that `list` chooses, in the order in which CUDA numbers them; `cards` are in CUDA's order.
inline result<std::vector<std::size_t>> cuda_selection(std::string_view list, std::span<cuda_card const> cards,
                                                       std::vector<device> const& devices) {
  auto const entries = comma_separated(list);
  bool const by_mig = entries[0].starts_with("MIG-"), by_gpu = entries[0].starts_with("GPU-");
  std::vector<std::string> gpu_uuids, mig_uuids;
  std::vector<device const*> slices;
  std::vector<std::size_t> slice_places;
  for (auto const& card : cards) {
    gpu_uuids.push_back(card.uuid);
    for (auto const i : card.members)
      if (card.sliced) slices.push_back(&devices[i]), mig_uuids.push_back(devices[i].uuid), slice_places.push_back(i);
  }
  if (by_mig && slices.empty())
    return error{errc::unsupported, "no MIG slice is described in this topology, '" + std::string(entries[0]) + "' names one",
                 "CUDA_VISIBLE_DEVICES", "name whole GPUs by number or by GPU-… UUID"};
  if (by_gpu && !cards.empty() && std::ranges::all_of(gpu_uuids, [](std::string const& uuid) { return uuid.empty(); }))
    return error{errc::unsupported, "this topology has no UUIDs, '" + std::string(entries[0]) + "' cannot be found",
                 "CUDA_VISIBLE_DEVICES", "name the devices by number"};
  std::vector<std::size_t> chosen;
  for (auto const entry : entries) {
    std::optional<std::size_t> place;
    if (by_mig) {
      auto const at = entry.find('/') != entry.npos ? by_instance(entry, slices) : by_uuid(entry, "MIG-", mig_uuids);
      if (at) place = slice_places[*at];
    } else {
      auto const at = by_gpu ? by_uuid(entry, "GPU-", gpu_uuids) : leading_ordinal(entry);
      if (at && *at < cards.size()) place = cards[*at].members.front();
    }
    if (!place) break;
    if (std::ranges::find(chosen, *place) != chosen.end())
      return error{errc::invalid_argument, "device '" + std::string(entry) + "' is named twice, CUDA would refuse to start",
                   "CUDA_VISIBLE_DEVICES=" + std::string(list), "name each device once"};
    chosen.push_back(*place);
  }
  return chosen;
}

/// Puts the cards of one host in the order that CUDA gives them.
inline result<void> cuda_order(std::optional<std::string> const& order, bool nvml_order, std::vector<cuda_card>& cards,
                               std::vector<device> const& devices) {
  if (order && *order != "PCI_BUS_ID" && *order != "FASTEST_FIRST")
    return error{errc::invalid_argument, "'" + *order + "' is not an order, CUDA would refuse to start", "CUDA_DEVICE_ORDER",
                 "write FASTEST_FIRST or PCI_BUS_ID, or unset it"};
  if (!nvml_order) return {};
  auto const first = [&](cuda_card const& card) -> device const& { return devices[card.members.front()]; };
  if (order == "PCI_BUS_ID")
    std::ranges::stable_sort(cards, {}, [&](cuda_card const& c) -> std::string const& { return first(c).pci; });
  else std::ranges::stable_sort(cards, std::greater<>{}, [&](cuda_card const& c) { return first(c).peak_fp32; });
  return {};
}

/// What is left of `chosen` where a MIG slice is among them: the first slice alone.
inline void keep_one_slice(std::vector<std::size_t>& chosen, std::vector<device> const& devices) {
  auto const slice =
      std::ranges::find_if(chosen, [&](std::size_t i) { return devices[i].mig || devices[i].uuid.starts_with("MIG-"); });
  if (slice != chosen.end()) chosen = {*slice};
}

}  // namespace detail

/// `g` with the CUDA devices that a program would see in `env`, renumbered cuda:0, cuda:1, … as CUDA numbers them.
/// `physical_index`, `uuid` and `pci` stay; CPU slots are not affected, and stay after the CUDA devices of their host if they were.
/// The rules of CUDA_VISIBLE_DEVICES: not set, all devices; empty, none. An entry is a number or the beginning of a UUID that
/// only one device has; the first entry decides which of the two the list is made of. The first entry that names no device hides
/// itself and all that follow (so "-1" and "none" hide all). A device named twice before that makes CUDA fail to start, which is
/// an error here. With several hosts the list holds on each of them.
/// A card in MIG mode stands for its first slice, and CUDA shows one slice to a program and then nothing else: a slice is named by
/// the beginning of its UUID, "MIG-…", or in the older form "MIG-GPU-…/1/0" (GPU instance, compute instance). What that hides of a
/// live machine is said in `graph::notes`.
/// CUDA_DEVICE_ORDER counts where the graph is in NVML's order; a topology file's order is the order.
/// FASTEST_FIRST, the default, compares fp32 peaks, an approximation of CUDA's own guess.
/// Errors:     errc::invalid_argument (a device named twice, an unknown order), errc::unsupported (MIG, UUIDs the graph lacks)
/// Complexity: O(V + E + devices × entries); O(1) where the variables are not set and the graph is moved in
/// Source:     CUDA C++ Programming Guide, "CUDA Environment Variables"; what the guide leaves open (duplicates, blanks, signs,
///             trailing text, mixed lists, 32-bit wrap) was tried on two H100s; MIG: NVIDIA MIG user guide, device enumeration
inline result<graph> visible_graph(graph g, environment const& env) {
  if (!env.cuda_visible_devices && !(env.cuda_device_order || g.nvml_order)) return g;
  std::map<std::string, std::vector<std::size_t>, std::less<>> hosts;  // the CUDA devices of each
  auto const& devices = g.devices();
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (devices[i].id.kind == device_kind::cuda) hosts[devices[i].id.host].push_back(i);

  std::map<std::string, std::vector<std::size_t>, std::less<>> seen;
  for (auto const& [host, members] : hosts) {
    auto cards = detail::cards_of(devices, members);
    GPUPLACE_CHECK(detail::cuda_order(env.cuda_device_order, g.nvml_order, cards, devices));
    auto& chosen = seen[host];
    if (env.cuda_visible_devices) {
      GPUPLACE_TRY(chosen, detail::cuda_selection(*env.cuda_visible_devices, cards, devices));
    } else {
      for (auto const& card : cards) chosen.push_back(card.members.front());
    }
    detail::keep_one_slice(chosen, devices);
  }

  graph made;
  made.source = g.source;
  made.notes = g.notes;
  constexpr auto hidden = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> moved(num_vertices(g), hidden);
  auto const keep = [&](std::size_t i, std::optional<int> index) {
    device d = devices[i];
    if (index) d.id.index = *index;
    moved[g.device_vertices()[i]] = made.add(std::move(d));
  };
  auto const slices = std::ranges::count_if(devices, [](device const& d) { return d.mig.has_value(); });
  made.reserve(num_vertices(g), num_edges(g), devices.size());
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    if (g[v].kind != vertex_kind::device) moved[v] = made.add(g[v].kind, g[v].name, g[v].host, g[v].numa);
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].id.kind != device_kind::cuda) {
      keep(i, std::nullopt);
    } else if (auto const at = seen.find(devices[i].id.host); at != seen.end()) {
      int index = 0;
      for (auto const member : at->second) keep(member, index++);
      if (slices > 1 && !env.cuda_visible_devices && at->second.size() == 1)
        made.notes.push_back("CUDA shows one MIG slice to a program, and nothing else; of " + std::to_string(slices) +
                             " slices this is the first, CUDA_VISIBLE_DEVICES=MIG-… names another");
      seen.erase(at);
    }
  }
  for (auto [e, end] = edges(g); e != end; ++e)
    if (moved[source(*e, g)] != hidden && moved[target(*e, g)] != hidden)
      made.connect(moved[source(*e, g)], moved[target(*e, g)], g[*e]);
  return made;
}

/// The devices that a program would see in `env`: `visible_graph` as a device group.
inline result<device_group> visible(graph g, environment const& env = this_environment()) {
  GPUPLACE_TRY(auto seen, visible_graph(std::move(g), env));
  return all_devices(std::move(seen));
}

}  // namespace gpuplace::topology
