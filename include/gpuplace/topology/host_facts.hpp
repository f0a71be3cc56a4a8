#pragma once
/// @file
/// Where PCI devices hang in this machine: from hwloc where it is installed, else from /sys.

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gpuplace/topology/live_facts.hpp>
#include <gpuplace/topology/shared_library.hpp>
#include <gpuplace/topology/xml.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// The one node of a set such as "0x00000002" (words of 32 bits, highest first); -1 for none or several.
inline int only_node(std::string_view set) {
  int node = -1, words = 1 + static_cast<int>(std::ranges::count(set, ','));
  while (!set.empty()) {
    auto const comma = std::min(set.find(','), set.size());
    auto word = set.substr(0, comma);
    set.remove_prefix(std::min(comma + 1, set.size()));
    --words;
    if (word.starts_with("0x")) word.remove_prefix(2);
    std::uint32_t bits = 0;
    if (!word.empty() && std::from_chars(word.data(), word.data() + word.size(), bits, 16).ec != std::errc{}) return -1;
    if (bits == 0) continue;
    if (node >= 0 || !std::has_single_bit(bits)) return -1;
    node = words * 32 + std::countr_zero(bits);
  }
  return node;
}

/// Walks hwloc's tree: bridges add to the way, PCI devices end it, network devices inside them give it a name.
inline void walk_hwloc(xml_element const& object, pci_position here, host_facts& made) {
  if (auto const set = object.attribute("nodeset")) here.numa = only_node(*set);
  auto const type = object.attribute("type").value_or("");
  std::string const bus(object.attribute("pci_busid").value_or(""));
  if (type == "Bridge")
    here.bridges.push_back(!bus.empty() ? kernel_pci(bus) : std::string(object.attribute("bridge_pci").value_or("host")));
  if (type == "PCIDev") {
    here.pci = kernel_pci(bus);
    made.devices.push_back(here);
    for (auto const& inner : object.children())
      if (inner.attribute("osdev_type") == "3") made.nics.push_back({std::string(inner.attribute("name").value_or(bus)), here.pci});
    return;
  }
  for (auto const& inner : object.children())
    if (inner.name() == "object") walk_hwloc(inner, here, made);
}

}  // namespace detail

/// Reads hwloc's XML, as `lstopo --of xml` writes it: its PCI devices, and the network cards with RDMA among them.
/// Errors:     errc::malformed with file and line
/// Source:     hwloc 2's XML format: object types Bridge, PCIDev, OSDev (osdev_type 3 is OpenFabrics), nodeset
inline result<host_facts> read_hwloc_xml(std::string_view text, std::string const& file = "hwloc") {
  GPUPLACE_TRY(auto const parsed, detail::xml_text::parse(text, file));
  host_facts made;
  for (auto const& top : parsed.root().children())
    if (top.name() == "object") detail::walk_hwloc(top, {}, made);
  return made;
}

/// Asks hwloc, loaded at run time; nothing where it is not installed. It is asked for its tree as XML, so that the layout of its
/// structures, which changes between versions, does not matter.
/// @param library  hwloc's file; empty looks for libhwloc.so.15
/// Source:     hwloc 2 API: hwloc_topology_init, …_set_io_types_filter (3 keeps what is important), …_load,
///             …_export_xmlbuffer
inline host_facts read_hwloc(std::string const& library = {}) {
  auto const opened = library.empty() ? shared_library::open("libhwloc.so.15") : shared_library::open(library);
  auto* const init = opened.function<int(void**)>("hwloc_topology_init");
  auto* const filter = opened.function<int(void*, int)>("hwloc_topology_set_io_types_filter");
  auto* const load = opened.function<int(void*)>("hwloc_topology_load");
  auto* const write = opened.function<int(void*, char**, int*, unsigned long)>("hwloc_topology_export_xmlbuffer");
  auto* const release = opened.function<void(void*, char*)>("hwloc_free_xmlbuffer");
  auto* const destroy = opened.function<void(void*)>("hwloc_topology_destroy");
  void* tree = nullptr;
  if (init == nullptr || load == nullptr || write == nullptr || release == nullptr || destroy == nullptr || init(&tree) != 0)
    return {};
  host_facts made;
  char* text = nullptr;
  int length = 0;
  constexpr int keep_important = 3;
  if (filter != nullptr) filter(tree, keep_important);
  if (load(tree) == 0 && write(tree, &text, &length, 0) == 0 && text != nullptr) {
    std::string_view const whole(text, static_cast<std::size_t>(std::max(length, 0)));
    if (auto read = read_hwloc_xml(whole.substr(0, whole.find('\0')))) made = *std::move(read);
    release(tree, text);
  }
  destroy(tree);
  return made;
}

/// Asks the kernel for the places of `gpus` (PCI ids) and of the network cards with RDMA.
/// Source:     sysfs: bus/pci/devices/ID is a link whose target names every bridge on the way; numa_node; class/infiniband
inline host_facts read_sysfs(std::vector<std::string> const& gpus, std::string const& sys = "/sys") {
  namespace fs = std::filesystem;
  host_facts made;
  std::error_code failed;
  auto const place = [&](fs::path const& link) {
    auto const target = fs::canonical(link, failed);
    if (failed) return std::string();
    pci_position found{.pci = target.filename().string()};
    std::ifstream(target / "numa_node") >> found.numa;
    for (auto const& part : target.parent_path())
      if (part.string().find(':') != std::string::npos) found.bridges.push_back(part.string());
    if (made.find(found.pci) == nullptr) made.devices.push_back(found);
    return found.pci;
  };
  for (auto const& pci : gpus) place(fs::path(sys) / "bus/pci/devices" / kernel_pci(pci));
  for (fs::directory_iterator at(fs::path(sys) / "class/infiniband", failed), end; !failed && at != end; at.increment(failed)) {
    if (auto const pci = place(at->path() / "device"); !pci.empty()) made.nics.push_back({at->path().filename().string(), pci});
  }
  std::ranges::sort(made.nics, {}, &nic_facts::name);
  return made;
}

}  // namespace gpuplace::topology
