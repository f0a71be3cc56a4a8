#pragma once
/// @file
/// Reads a machine from hwloc's XML, as `lstopo machine.xml` writes it.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/host_facts.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/pci_facts.hpp>
#include <gpuplace/topology/read_options.hpp>
#include <gpuplace/topology/xml.hpp>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// One GPU as the file has it.
struct hwloc_gpu {
  xml_element at;
  std::string pci;
  graph::vertex_descriptor parent;
  link up;
  int numa = -1;
  int number = std::numeric_limits<int>::max();  ///< CUDA's, else NVML's or ROCm's, where the file names its OS devices
  gpu_model const* card = nullptr;
  std::string name{}, uuid{};
  bytes memory{};
};

/// Where the walk through the tree stands.
struct hwloc_place {
  int numa = -1;
  double socket_rate = 0;
  std::optional<graph::vertex_descriptor> parent{};  ///< the bridge above; none outside of PCIe
  microseconds climbed{};                            ///< half the latency of a way that turns around there
  bool below_bridge = false;                         ///< below a bridge that is not the host's
};

class hwloc_reader {
public:
  hwloc_reader(xml_text const& text, read_options const& options) : text_(text), options_(options) { made_.source = options.name; }

  result<graph> read() {
    auto const root = text_.root();
    if (root.name() != "topology")
      return text_.fail(root, "<" + std::string(root.name()) + "> is not the <topology> that hwloc's files begin with",
                        "write one with lstopo machine.xml");
    for (auto const& top : root.children())
      if (top.name() == "object") {
        if (top.attribute("type").value_or("") == "System")
          return error{errc::unsupported, "the file describes several machines", text_.where(top), "give one file for each host"};
        GPUPLACE_CHECK(walk(top, {}));
      }
    if (gpus_.empty())
      return text_.fail(root, "the file shows no GPU of NVIDIA or AMD",
                        "write one where they are, with devices and bridges: lstopo --whole-io machine.xml");
    join_nodes();
    add_gpus();
    assume_nvswitch();
    return std::move(made_);
  }

private:
  static std::string_view of(xml_element const& e, char const* key) { return e.attribute(key).value_or(""); }

  /// The value of the <info> called `name`; empty where there is none.
  static std::string_view info(xml_element const& e, std::string_view name) {
    for (auto const& child : e.children())
      if (child.name() == "info" && of(child, "name") == name) return of(child, "value");
    return {};
  }

  result<void> walk(xml_element const& e, hwloc_place here) {
    if (auto const set = e.attribute("nodeset")) here.numa = only_node(*set);
    auto const type = of(e, "type");
    if (type == "Package" || type == "Socket") here.socket_rate = package_rate(e);
    if (type == "Bridge") {
      if (!holds_card(e)) return {};
      GPUPLACE_TRY(here, bridge(e, here));
    } else if (type == "PCIDev") {
      return read_device(e, here);
    }
    for (auto const& inner : e.children())
      if (inner.name() == "object") GPUPLACE_CHECK(walk(inner, here));
    return {};
  }

  static double package_rate(xml_element const& e) {
    auto const number = [&](char const* name) {
      auto const text = info(e, name);
      int value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    return socket_rate_of("", info(e, "CPUVendor"), number("CPUFamilyNumber"), number("CPUModelNumber"));
  }

  static bool is_gpu(xml_element const& e) {
    auto const kind = of(e, "pci_type");
    auto const vendor = kind.find('[');
    return role_of(kind) == pci_role::gpu && vendor != kind.npos &&
           makes_gpus(gpuplace::detail::lowered(kind.substr(vendor + 1, 4)));
  }

  static std::string nic_name(xml_element const& e) {
    std::string name;
    for (auto const& inner : e.children()) {
      auto const type = of(inner, "osdev_type");
      if (type == "3") return std::string(of(inner, "name"));  // OpenFabrics
      if (type == "2" && name.empty()) name = of(inner, "name");
    }
    return name;
  }

  static bool is_card(xml_element const& e) {
    return of(e, "type") == "PCIDev" && (is_gpu(e) || (role_of(of(e, "pci_type")) == pci_role::nic && !nic_name(e).empty()));
  }
  static bool holds_card(xml_element const& e) {
    return is_card(e) || std::ranges::any_of(e.children(), [](xml_element const& inner) { return holds_card(inner); });
  }
  static bool holds_bridge(xml_element const& e) {
    return std::ranges::any_of(e.children(), [](xml_element const& c) { return of(c, "type") == "Bridge" && holds_card(c); });
  }

  /// GB/s of the slot or port; that of generation 3 with 16 lanes where the file does not say.
  /// hwloc writes the raw rate of the lanes, of which payload gets about three quarters: 12 of 15.75 GB/s, as NCCL counts.
  result<gigabytes_per_second> rate(xml_element const& e) const {
    auto const text = of(e, "pci_link_speed");
    double raw = 0;
    if (!text.empty()) {
      auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), raw);
      if (failed != std::errc{} || end != text.data() + text.size() || !(raw >= 0 && raw <= 10000))
        return text_.fail(e, "pci_link_speed=\"" + std::string(text) + "\" is no rate in GB/s");
    }
    return gigabytes_per_second{raw > 0 ? raw * 12 / 15.753846 : slot_rate("", 0).value()};
  }

  graph::vertex_descriptor node(hwloc_place const& here) {
    auto const [at, fresh] = nodes_.try_emplace(here.numa);
    if (fresh) {
      at->second.vertex =
          made_.add(vertex_kind::numa_node, here.numa < 0 ? "CPU" : "numa " + std::to_string(here.numa), {}, here.numa);
      at->second.socket_rate = here.socket_rate;
    }
    return at->second.vertex;
  }

  static microseconds half(path_kind kind) { return default_link(kind, unknown_gpu).latency / 2; }

  /// The vertex of a bridge, and the place below it. A switch is one bridge above and one for each port below: ways between its
  /// ports turn around at the one above.
  result<hwloc_place> bridge(xml_element const& e, hwloc_place here) {
    if (!here.parent) {  // the host's bridge; a second one of the node lies a step away
      bool const first = !hosts_[here.numa]++;
      auto const cpu = node(here);
      auto const below =
          first ? cpu : made_.add(vertex_kind::pcie_switch, "host bridge " + std::string(of(e, "bridge_pci")), {}, here.numa);
      if (!first) {
        auto step = default_link(path_kind::node, unknown_gpu);
        step.latency = half(path_kind::node) - half(path_kind::phb);
        step.bandwidth = gigabytes_per_second{pcie_rate(5)};
        made_.connect(below, cpu, step);
      }
      here.parent = below;
      here.climbed = half(path_kind::phb);
      here.below_bridge = false;
      if (of(e, "pci_busid").empty()) return here;
    }
    GPUPLACE_TRY(auto const speed, rate(e));
    bool const inner = holds_bridge(e);
    auto const own = std::min(here.climbed, inner ? half(path_kind::pix) : half(path_kind::pix) - microseconds{0.5});
    auto const v = made_.add(vertex_kind::pcie_switch, "PCIe switch " + kernel_pci(std::string(of(e, "pci_busid"))), {}, here.numa);
    auto const kind = !here.below_bridge ? path_kind::phb : inner ? path_kind::pxb : path_kind::pix;
    made_.connect(v, *here.parent, {kind, 0, speed, here.climbed - own, false});
    here.parent = v;
    here.climbed = own;
    here.below_bridge = true;
    return here;
  }

  result<void> read_device(xml_element const& e, hwloc_place const& here) {
    if (!is_card(e)) return {};
    GPUPLACE_TRY(auto const speed, rate(e));
    bool const at_node = !here.parent;
    auto const parent = at_node ? node(here) : *here.parent;
    link const up{here.below_bridge ? path_kind::pix : path_kind::phb, 0, speed, at_node ? half(path_kind::phb) : here.climbed,
                  false};
    auto const bus = kernel_pci(std::string(of(e, "pci_busid")));
    if (is_gpu(e)) return read_gpu(e, {.at = e, .pci = bus, .parent = parent, .up = up, .numa = here.numa});
    made_.connect(made_.add(vertex_kind::nic, nic_name(e), {}, here.numa), parent, up);
    return {};
  }

  result<void> read_gpu(xml_element const& e, hwloc_gpu gpu) {
    if (gpu.pci.empty()) return text_.fail(e, "a GPU without pci_busid", "write the file again");
    for (auto const& other : gpus_)
      if (other.pci == gpu.pci) return text_.fail(e, "the GPU " + gpu.pci + " is there twice, first at " + text_.where(other.at));
    auto const kind = gpuplace::detail::lowered(of(e, "pci_type"));
    auto const ids = kind.substr(std::min(kind.find('['), kind.size()));
    gpu.name = info(e, "PCIDevice");
    for (auto const& inner : e.children())
      if (of(inner, "type") == "OSDev") read_os_device(inner, gpu);
    gpu.card = options_.model;
    if (gpu.card == nullptr) gpu.card = find_gpu_model(gpu.name);
    if (gpu.card == nullptr && ids.size() >= 10) gpu.card = card_of("0x" + ids.substr(1, 4), "0x" + ids.substr(6, 4), "");
    if (gpus_.size() == most_gpus) return text_.fail(e, "more than " + std::to_string(most_gpus) + " GPUs in one machine");
    gpus_.push_back(std::move(gpu));
    return {};
  }

  /// cuda0, nvml0, opencl0d0, rsmi0, card0: what the libraries that hwloc asked say of a GPU.
  static void read_os_device(xml_element const& e, hwloc_gpu& gpu) {
    auto const name = of(e, "name");
    auto const rank_of = [&](std::string_view prefix) -> std::optional<int> {
      int number = 0;
      if (!name.starts_with(prefix)) return std::nullopt;
      auto const* const end = name.data() + name.size();
      auto const [rest, failed] = std::from_chars(name.data() + prefix.size(), end, number);
      return failed == std::errc{} && rest == end && number >= 0 && number < most_numbered ? std::optional(number) : std::nullopt;
    };
    if (auto const cuda = rank_of("cuda")) gpu.number = *cuda;
    for (auto const* library : {"nvml", "rsmi"})
      if (auto const number = rank_of(library)) gpu.number = std::min(gpu.number, most_numbered + *number);
    if (auto const model = info(e, "GPUModel"); !model.empty()) gpu.name = model;
    for (auto const* key : {"NVIDIAUUID", "AMDUUID"})
      if (auto const uuid = info(e, key); !uuid.empty()) gpu.uuid = uuid;
    for (auto const* key : {"CUDAGlobalMemorySize", "OpenCLGlobalMemorySize", "RSMIVRAMSize"}) {
      auto const text = info(e, key);
      std::int64_t kibibytes = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), kibibytes).ec == std::errc{} && kibibytes > 0 &&
          kibibytes < (1LL << 40))
        gpu.memory = std::max(gpu.memory, bytes{kibibytes * 1024});
    }
  }

  void join_nodes() {
    if (nodes_.size() < 2) return;
    auto const host = made_.add(vertex_kind::host, "host");
    for (auto const& [numa, n] : nodes_) {
      double const known = n.socket_rate > 0 ? n.socket_rate : socket_rate(3);
      made_.connect(n.vertex, host,
                    {path_kind::sys, 0, gigabytes_per_second{known}, half(path_kind::sys) - half(path_kind::node), false});
    }
  }

  void add_gpus() {
    std::ranges::stable_sort(gpus_, {}, &hwloc_gpu::number);
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      auto const& gpu = gpus_[i];
      auto d = make_gpu(gpu.card != nullptr ? *gpu.card : unknown_gpu, static_cast<int>(i), gpu.numa);
      if (gpu.card == nullptr && !gpu.name.empty()) d.name = gpu.name;
      if (gpu.memory.count() > 0) d.capacity = gpu.memory;
      d.pci = gpu.pci;
      d.uuid = gpu.uuid;
      if (gpu.card == nullptr) d.note = "rates are a guess, the card is not in the table; say which it is like: FILE@h200";
      if (gpu.card != nullptr && gpu.up.bandwidth.value() < pcie_rate(gpu.card->pcie) / 2)
        made_.notes.push_back(gpu.pci + ": the file has a slower slot than the card can use; idle cards slow their slots down");
      made_.connect(made_.add(std::move(d)), gpu.parent, gpu.up);
    }
  }

  /// hwloc's tree has no NVLinks: cards that are sold on boards with NVSwitches stand on one.
  void assume_nvswitch() {
    std::optional<graph::vertex_descriptor> fabric;
    auto const on_board = [](hwloc_gpu const& gpu) { return gpu.card != nullptr && gpu.card->nvlinks >= 12; };
    if (std::ranges::count_if(gpus_, on_board) < 2) return;
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      if (!on_board(gpus_[i])) continue;
      if (!fabric) fabric = made_.add(vertex_kind::nvswitch, "NVSwitch");
      auto const& card = *gpus_[i].card;
      made_.connect(made_.device_vertices()[i], *fabric, part_of(default_link(path_kind::nvlink, card, card.nvlinks), 2));
    }
    made_.notes.push_back("the file lists no NVLinks; those of the card's board are assumed");
  }

  static constexpr std::size_t most_gpus = 4096;
  static constexpr int most_numbered = 65536;
  struct numa_node {
    graph::vertex_descriptor vertex = 0;
    double socket_rate = 0;
  };

  xml_text const& text_;
  read_options const& options_;
  graph made_;
  std::map<int, numa_node> nodes_;
  std::map<int, int> hosts_;  ///< host bridges met, by NUMA node
  std::vector<hwloc_gpu> gpus_;
};

}  // namespace detail

/// True if `text` looks like hwloc's XML, undamaged or not.
inline bool is_hwloc_xml(std::string_view text) { return detail::is_xml_with(text, "<topology"); }

/// The machine that hwloc's XML describes: NUMA nodes, host bridges, PCIe switches with the speed of their ports, network cards that
/// the system drives, and the GPUs of NVIDIA and AMD, known by PCI class and vendor. A card's row of the table is found by what CUDA,
/// NVML or ROCm called it, else by PCI device id; memory and UUID are the file's where it has them. Devices are in CUDA's order
/// where the file has CUDA's names, else in that of NVML, ROCm or the PCI bus. NVLinks are not in such files: cards that are sold on
/// boards with NVSwitches get theirs, and `graph::notes` says so.
/// Errors:     errc::malformed with file and line; errc::unsupported for several machines in one file
/// Complexity: O(n × depth) in elements, O(g²) in GPUs
/// Source:     hwloc's documentation: object types and attributes, versions 1 and 2; info of CUDA, NVML and RSMI OS devices
inline result<graph> read_hwloc_graph(std::string_view text, read_options const& options = {}) {
  GPUPLACE_TRY(auto const parsed, detail::xml_text::parse(text, options.name));
  return detail::hwloc_reader(parsed, options).read();
}

}  // namespace gpuplace::topology
