#pragma once
/// @file
/// Reads the topology files of NCCL and RCCL: NCCL_TOPO_FILE, NCCL_TOPO_DUMP_FILE.

#include <algorithm>
#include <charconv>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/pci_facts.hpp>
#include <gpuplace/topology/read_options.hpp>
#include <gpuplace/topology/xml.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// Far above any machine; a larger number is damage.
inline constexpr int most_numbered_gpus = 65536;

/// One GPU as the file has it; it becomes a device when all are known.
struct nccl_gpu {
  xml_element at;
  std::string pci;
  graph::vertex_descriptor parent, cpu;
  link up;
  int numa = -1;
  int dev = -1;  ///< its number as NCCL writes it; absent in files that vendors ship
  gpu_model const* card = nullptr;
  bool guessed = false;
};

/// Where the walk through the tree stands.
struct nccl_place {
  graph::vertex_descriptor parent, cpu;
  microseconds climbed{};  ///< half the latency of a way that turns around at `parent`
  bool below_bridge = false;
  int numa = -1;
};

class nccl_reader {
public:
  nccl_reader(xml_text const& text, read_options const& options) : text_(text), options_(options) { made_.source = options.name; }

  result<graph> read() {
    auto const root = text_.root();
    if (root.name() != "system")
      return text_.fail(root, "<" + std::string(root.name()) + "> is not the <system> that NCCL's topology files begin with",
                        "write one with NCCL_TOPO_DUMP_FILE=machine.xml");
    if (auto const version = root.attribute("version"); version && *version != "1" && *version != "2")
      return error{errc::unsupported, "version '" + std::string(*version) + "' of NCCL's topology files is not known",
                   text_.where(root), "versions 1 and 2 are"};
    std::string hash;
    for (auto const& child : root.children()) {
      if (child.name() != "cpu") continue;
      auto const own = std::string(child.attribute("host_hash").value_or(""));
      if (!cpus_.empty() && own != hash)
        return error{errc::unsupported, "the file describes several hosts", text_.where(child), "give one file for each host"};
      hash = own;
      GPUPLACE_CHECK(read_cpu(child));
    }
    if (gpus_.empty() && unnamed_ > 0)
      return text_.fail(root, "nothing says which of the file's " + std::to_string(unnamed_) + " PCI devices are GPUs",
                        "give them class=\"0x030200\" or a <gpu dev=\"0\"/> inside, or write a file with NCCL_TOPO_DUMP_FILE");
    if (gpus_.empty())
      return text_.fail(root, "the file names no GPU", "write one on a machine that has some: NCCL_TOPO_DUMP_FILE=machine.xml");
    join_sockets();
    GPUPLACE_CHECK(add_gpus());
    GPUPLACE_CHECK(add_bundles());
    return std::move(made_);
  }

private:
  template <class T>
  result<T> number(xml_element const& e, char const* key, T fallback) const {
    auto const text = e.attribute(key);
    if (!text || text->empty()) return fallback;
    T value{};
    auto const [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (failed != std::errc{} || end != text->data() + text->size())
      return text_.fail(e, "<" + std::string(e.name()) + "> has " + key + "=\"" + std::string(*text) + "\", a number is expected");
    return value;
  }

  result<std::string> required(xml_element const& e, char const* key) const {
    auto const text = e.attribute(key);
    if (!text || text->empty()) return text_.fail(e, "<" + std::string(e.name()) + "> has no " + key, "write the file again");
    return gpuplace::detail::lowered(*text);
  }

  result<void> read_cpu(xml_element const& e) {
    GPUPLACE_TRY(auto const numaid, number(e, "numaid", -1));
    int const numa = numaid < 0 || numaid > 65536 ? -1 : numaid;
    GPUPLACE_TRY(auto const family, number(e, "familyid", 0));
    GPUPLACE_TRY(auto const model, number(e, "modelid", 0));
    auto const v = made_.add(vertex_kind::numa_node, numa < 0 ? "CPU" : "numa " + std::to_string(numa), {}, numa);
    cpus_.push_back(v);
    socket_rates_.push_back(socket_rate_of(e.attribute("arch").value_or(""), e.attribute("vendor").value_or(""), family, model));
    return read_children(e, {v, v, default_link(path_kind::phb, unknown_gpu).latency / 2, false, numa});
  }

  result<void> read_children(xml_element const& e, nccl_place const& place) {
    for (auto const& child : e.children()) {
      if (child.name() == "pci") {
        GPUPLACE_CHECK(read_pci(child, place));
      } else if (child.name() == "nic") {
        add_nic(child, place, default_link(path_kind::phb, unknown_gpu).bandwidth);
      } else if (child.name() == "gpu") {
        return text_.fail(child, "a <gpu> that is in no <pci>", "put it into the <pci> of its slot, whose busid names it");
      }
    }
    return {};
  }

  /// The link from something of its own half latency `below` up to `place`.
  link up_to(nccl_place const& place, gigabytes_per_second rate, microseconds below, bool from_bridge) const {
    auto const kind = !place.below_bridge ? path_kind::phb : from_bridge ? path_kind::pxb : path_kind::pix;
    return {kind, 0, rate, place.climbed - below, false};
  }

  result<void> read_pci(xml_element const& e, nccl_place const& place) {
    GPUPLACE_TRY(auto const bus, required(e, "busid"));
    GPUPLACE_TRY(auto const width, number(e, "link_width", 0));
    auto const rate = slot_rate(e.attribute("link_speed").value_or(""), width);
    switch (role_of_slot(e)) {
      case pci_role::bridge: {
        bool const nests = std::ranges::any_of(e.children(), [](xml_element const& child) {
          return role_of(child.attribute("class").value_or("")) == pci_role::bridge;
        });
        auto const half = default_link(nests ? path_kind::pxb : path_kind::pix, unknown_gpu).latency / 2;
        auto const own = std::min(half, place.climbed);
        auto const v = made_.add(vertex_kind::pcie_switch, "PCIe switch " + bus, {}, place.numa);
        made_.connect(v, place.parent, up_to(place, rate, own, true));
        return read_children(e, {v, place.cpu, own, true, place.numa});
      }
      case pci_role::gpu: return read_gpu(e, bus, place, up_to(place, rate, {}, false));
      case pci_role::nic: add_nic(e, place, rate); return {};
      case pci_role::nvswitch: switches_.push_back(bus); break;
      case pci_role::cpu:
      case pci_role::other: break;
    }
    return {};
  }

  /// What is in a slot: what is nested there, or what its class says. Displays of other makers are consoles.
  pci_role role_of_slot(xml_element const& e) {
    auto const inside = e.children();
    auto const holds = [&](std::string_view name) {
      return std::ranges::any_of(inside, [&](xml_element const& child) { return child.name() == name; });
    };
    if (holds("gpu")) return pci_role::gpu;
    auto const named = gpuplace::detail::lowered(e.attribute("class").value_or(""));
    if (named.empty()) {
      if (holds("pci")) return pci_role::bridge;
      if (holds("nic") || holds("net")) return pci_role::nic;
      ++unnamed_;
      return pci_role::other;
    }
    auto const role = role_of(named);
    auto const vendor = gpuplace::detail::lowered(e.attribute("vendor").value_or(""));
    bool const unknown_vendor = vendor.empty() || vendor == "0x0000" || vendor == "0xffff";
    return role == pci_role::gpu && !unknown_vendor && !makes_gpus(vendor) ? pci_role::other : role;
  }

  void add_nic(xml_element const& e, nccl_place const& place, gigabytes_per_second rate) {
    std::string name(e.attribute("busid").value_or("network card"));
    std::vector<xml_element> inner = e.children();
    for (std::size_t i = 0; i < inner.size(); ++i)
      if (inner[i].name() == "net" && inner[i].attribute("name")) name = *inner[i].attribute("name");
      else if (inner[i].name() == "nic")
        for (auto const& net : inner[i].children()) inner.push_back(net);
    auto const v = made_.add(vertex_kind::nic, "NIC " + name, {}, place.numa);
    made_.connect(v, place.parent, up_to(place, rate, {}, false));
  }

  result<void> read_gpu(xml_element const& e, std::string const& bus, nccl_place const& place, link up) {
    nccl_gpu gpu{.at = e, .pci = bus, .parent = place.parent, .cpu = place.cpu, .up = up, .numa = place.numa};
    int sm = 0;
    std::string gcn;
    for (auto const& child : e.children()) {
      if (child.name() != "gpu") continue;
      gpu.at = child;
      described_ = true;
      GPUPLACE_TRY(gpu.dev, number(child, "dev", -1));
      GPUPLACE_TRY(sm, number(child, "sm", 0));
      gcn = child.attribute("gcn").value_or("");
      if (gpu.dev < -1 || gpu.dev > most_numbered_gpus)
        return text_.fail(child, "dev=\"" + std::to_string(gpu.dev) + "\" is no number of a GPU");
    }
    auto const vendor = gpuplace::detail::lowered(e.attribute("vendor").value_or(""));
    gpu.card = options_.model != nullptr ? options_.model
                                         : card_of(vendor, gpuplace::detail::lowered(e.attribute("device").value_or("")), gcn);
    if (gpu.card == nullptr) {
      gpu.guessed = true;
      gpu.card = smallest_card(sm) != nullptr ? smallest_card(sm) : &unknown_gpu;
    }
    for (auto const& other : gpus_)
      if (other.pci == bus) return text_.fail(e, "the GPU " + bus + " is there twice, first at " + text_.where(other.at));
    gpus_.push_back(std::move(gpu));
    return {};
  }

  void join_sockets() {
    if (cpus_.size() < 2) return;
    auto const host = made_.add(vertex_kind::host, "host");
    auto const latency =
        (default_link(path_kind::sys, unknown_gpu).latency - default_link(path_kind::phb, unknown_gpu).latency) / 2;
    for (std::size_t i = 0; i < cpus_.size(); ++i)
      made_.connect(cpus_[i], host, {path_kind::sys, 0, gigabytes_per_second{socket_rates_[i]}, latency, false});
  }

  /// GPUs become devices in the order of their numbers, or of the file where it has none.
  result<void> add_gpus() {
    std::ranges::stable_sort(gpus_, {}, &nccl_gpu::dev);
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      auto const& gpu = gpus_[i];
      if (i > 0 && gpu.dev >= 0 && gpu.dev == gpus_[i - 1].dev)
        return text_.fail(
            gpu.at, "the number dev=" + std::to_string(gpu.dev) + " is there twice, first at " + text_.where(gpus_[i - 1].at));
      auto d = make_gpu(*gpu.card, static_cast<int>(i), gpu.numa);
      d.pci = gpu.pci;
      if (gpu.dev >= 0) d.physical_index = gpu.dev;
      if (gpu.guessed) d.note = "card guessed, the file does not name it; say which: FILE@h200";
      made_.connect(made_.add(std::move(d)), gpu.parent, gpu.up);
    }
    return {};
  }

  /// NVLinks and xGMI links: each is listed at both of its ends.
  result<void> add_bundles() {
    if (!described_) return assume_bundles();
    std::map<std::pair<std::size_t, std::size_t>, std::map<std::size_t, int>> pairs;  // by the end that lists them
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      int to_switch = 0, to_cpu = 0, elsewhere = 0;
      for (auto const& child : gpus_[i].at.children()) {
        if (child.name() == "c2c") {
          GPUPLACE_CHECK(add_c2c(child, i));
          continue;
        }
        if (child.name() != "nvlink" && child.name() != "xgmi") continue;
        GPUPLACE_TRY(auto const target, required(child, "target"));
        GPUPLACE_TRY(auto const count, number(child, "count", 1));
        if (count < 1 || count > 1000) return text_.fail(child, "count=\"" + std::to_string(count) + "\" is no number of links");
        auto const other = std::ranges::find(gpus_, target, &nccl_gpu::pci);
        if (other != gpus_.end()) {
          auto const j = static_cast<std::size_t>(other - gpus_.begin());
          if (i == j) return text_.fail(child, "a link from the GPU to itself");
          auto& listed = pairs[std::minmax(i, j)][i];
          listed = std::min(listed + count, 1000);
        } else {
          bool const no_address = target.find_first_not_of("f:.0") == target.npos;  // what NCCL writes in a virtual machine
          bool const listed = std::ranges::find(switches_, target) != switches_.end();
          auto const role = no_address || listed ? pci_role::nvswitch : role_of(child.attribute("tclass").value_or(""));
          int& there = role == pci_role::nvswitch ? to_switch : role == pci_role::cpu ? to_cpu : elsewhere;
          there = std::min(there + count, 1000);
        }
      }
      auto const v = made_.device_vertices()[i];
      if (to_switch > 0) made_.connect(v, nvswitch(), part_of(bundle(i, to_switch), 2));
      if (to_cpu > 0) made_.connect(v, gpus_[i].cpu, part_of(bundle(i, to_cpu), 2));
      if (elsewhere > 0) made_.notes.push_back(gpus_[i].pci + " has links to GPUs that the file does not list");
    }
    for (auto const& [ends, counts] : pairs) {
      int const both = counts.size() == 1 ? counts.begin()->second : std::min(counts.begin()->second, counts.rbegin()->second);
      made_.connect(made_.device_vertices()[ends.first], made_.device_vertices()[ends.second], bundle(ends.first, both));
    }
    return {};
  }

  /// Files that vendors ship name slots alone; NCCL adds the NVLinks that it finds on the machine. A card that is sold on boards
  /// with NVSwitches stands on one.
  result<void> assume_bundles() {
    auto const& card = *gpus_.front().card;
    if (card.nvlinks < 12 || gpus_.size() < 2) return {};
    for (auto const v : made_.device_vertices())
      made_.connect(v, nvswitch(), part_of(default_link(path_kind::nvlink, card, card.nvlinks), 2));
    made_.notes.push_back("the file lists no NVLinks; those of the card's board are assumed");
    return {};
  }

  result<void> add_c2c(xml_element const& e, std::size_t i) {
    GPUPLACE_TRY(auto const count, number(e, "count", 1));
    GPUPLACE_TRY(auto const rate, number(e, "bw", 0));
    if (count < 1 || rate < 1 || count > 1000 || rate > 10000000)
      return text_.fail(e, "<c2c> needs count and bw (MB/s of one link) above zero");
    link l = part_of(default_link(path_kind::c2c, *gpus_[i].card), 2);
    l.bandwidth = gigabytes_per_second{static_cast<double>(count) * rate / 1000};
    made_.connect(made_.device_vertices()[i], gpus_[i].cpu, l);
    return {};
  }

  link bundle(std::size_t gpu, int count) const { return default_link(fabric_of(*gpus_[gpu].card), *gpus_[gpu].card, count); }

  graph::vertex_descriptor nvswitch() {
    if (!switch_) switch_ = made_.add(vertex_kind::nvswitch, "NVSwitch");
    return *switch_;
  }

  xml_text const& text_;
  read_options const& options_;
  graph made_;
  std::vector<graph::vertex_descriptor> cpus_;
  std::vector<double> socket_rates_;
  std::vector<nccl_gpu> gpus_;
  std::optional<graph::vertex_descriptor> switch_;
  std::vector<std::string> switches_;  ///< bus ids of the NVSwitches that the file lists
  int unnamed_ = 0;                    ///< slots that do not say what is in them
  bool described_ = false;             ///< some GPU has a <gpu> element
};

}  // namespace detail

/// True if `text` looks like a topology file of NCCL or RCCL, undamaged or not.
inline bool is_nccl_xml(std::string_view text) { return detail::is_xml_with(text, "<system"); }

/// The machine that a topology file of NCCL, or RCCL with its xGMI links, describes: NUMA nodes, PCIe switches, network cards and
/// GPUs as they are nested there, with the bandwidth of the slots that the file names.
/// Cards are known by PCI device id or architecture, else `options.model`, else the smallest card of the compute capability, and
/// `device::note` says so. A file that lists slots alone, as vendors ship them, gets the NVSwitch of its cards' board, and
/// `graph::notes` says so.
/// Errors:     errc::malformed with file and line; errc::unsupported for several hosts in one file
/// Complexity: O(n log n) in elements, O(g²) in GPUs
/// Source:     NCCL's graph/xml.cc and topo.cc (elements, attributes, rates); RCCL's graph/topo.h for xGMI
inline result<graph> read_nccl_xml(std::string_view text, read_options const& options = {}) {
  GPUPLACE_TRY(auto const parsed, detail::xml_text::parse(text, options.name));
  return detail::nccl_reader(parsed, options).read();
}

}  // namespace gpuplace::topology
