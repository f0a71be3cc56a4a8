#pragma once
/// @file
/// The machine this program runs on: its GPUs where NVIDIA's driver shows some, else its CPU cores.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/cpu_slots.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/host_facts.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/live_facts.hpp>
#include <gpuplace/topology/nvml.hpp>
#include <gpuplace/topology/pcie_tree.hpp>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// Where to look for what a live machine is asked; empty libraries are looked up by their usual names.
struct discovery {
  std::string nvml{};
  std::string hwloc{};
  std::string sys = "/sys";
  std::string proc = "/proc";
};

namespace detail {

/// Dense tensor-core throughput over that of plain fp32 arithmetic, by compute capability: what the cards in the table have.
constexpr double tensor_factor(int sm) {
  return sm >= 120 ? 2 : sm >= 90 ? 14.8 : sm > 80 ? 2 : sm == 80 ? 16 : sm >= 75 ? 4 : sm >= 70 ? 8 : 1;
}

/// The device that `gpu` is: the rates of its card where the table has it, else what its clocks give.
inline device device_of(gpu_facts const& gpu, std::vector<gpu_pair_facts> const& pairs) {
  auto const* const known = find_gpu_model(gpu.name);
  auto d = make_gpu(known != nullptr ? *known : unknown_gpu, 0, gpu.numa);
  d.name = gpu.name.empty() ? "GPU" : gpu.name;
  d.physical_index = gpu.index;
  d.uuid = gpu.uuid;
  d.pci = gpu.pci;
  d.owners = gpu.owners;
  if (gpu.total.count() > 0) {
    d.capacity = gpu.total;
    d.free = gpu.free;
  } else {
    d.note = "the driver does not tell its memory";
  }
  if (known == nullptr && gpu.memory_bandwidth.value() > 0 && gpu.peak_fp32.value() > 0) {
    d.memory_bandwidth = gpu.memory_bandwidth;
    d.peak_fp32 = gpu.peak_fp32;
    d.peak_bf16 = teraflops{gpu.peak_fp32.value() * tensor_factor(gpu.sm)};
    d.note = "rates from clocks, the card is not in the table";
  } else if (known == nullptr) {
    d.note = "rates are a guess, the card is not in the table";
  }
  using access = gpu_pair_facts::access;
  auto const some = [&](access a) { return std::ranges::find(pairs, a, &gpu_pair_facts::peer_access) != pairs.end(); };
  d.peer_to_peer = some(access::yes) || (d.peer_to_peer && !some(access::no));
  return d;
}

/// One slice of `whole`. Slices have no peer access to anything, their card's memory bandwidth in proportion to their memory, and
/// its cores in sevenths.
/// Source:     NVIDIA MIG user guide: profiles, and what does not work in MIG mode
inline device device_of(mig_facts const& slice, device const& whole) {
  auto d = whole;
  d.uuid = slice.uuid;
  if (!slice.name.empty()) d.name = slice.name;
  d.mig = slice.slice;
  d.owners = slice.owners;
  d.peer_to_peer = false;
  d.free.reset();
  if (slice.total.count() > 0) {
    d.capacity = slice.total;
    d.free = slice.free;
  }
  auto const share = whole.capacity.count() > 0
                         ? std::min(1.0, static_cast<double>(d.capacity.count()) / static_cast<double>(whole.capacity.count()))
                         : 1.0;
  double const cores = slice.slices > 0 ? std::min(slice.slices, 7) / 7.0 : share;
  d.memory_bandwidth = whole.memory_bandwidth * share;
  d.peak_bf16 = teraflops{whole.peak_bf16.value() * cores};
  d.peak_fp32 = teraflops{whole.peak_fp32.value() * cores};
  return d;
}

/// Builds the graph of what was found. Leaves are devices and network cards; the tree above them is PCIe.
class live_builder {
public:
  live_builder(gpu_machine const& gpus, host_facts const& host) : gpus_(gpus), host_(host) {
    made_.source = "live";
    made_.nvml_order = true;
    made_.notes = gpus.notes;
  }

  graph build() {
    for (std::size_t i = 0; i < gpus_.gpus.size(); ++i) add_gpu(i);
    for (auto const& nic : host_.nics) {
      auto const* const at = host_.find(nic.pci);
      leaves_.push_back(made_.add(vertex_kind::nic, nic.name, {}, at != nullptr ? std::max(at->numa, -1) : -1));
      gpu_of_.push_back(std::nullopt);
      positions_.push_back(at);
    }
    join_by_nvlink();
    join_slots();
    return std::move(made_);
  }

private:
  void add_gpu(std::size_t i) {
    auto gpu = gpus_.gpus[i];
    auto const* const at = host_.find(kernel_pci(gpu.pci));
    if (gpu.numa < 0 && at != nullptr) gpu.numa = std::max(at->numa, -1);
    auto const whole = device_of(gpu, gpus_.pairs[i]);
    if (!gpu.mig) return add_device(whole, i, at);
    if (gpu.slices.empty())
      made_.notes.push_back("GPU " + std::to_string(gpu.index) +
                            " is in MIG mode and has no slices; make some with nvidia-smi mig -cgi");
    for (auto const& slice : gpu.slices) add_device(device_of(slice, whole), i, at);
  }

  void add_device(device d, std::size_t gpu, pci_position const* at) {
    d.id.index = static_cast<int>(made_.devices().size());
    auto const used = d.free ? d.capacity - *d.free : bytes{};
    bytes const own{d.capacity.count() / 20 + (std::int64_t{1} << 30)};  // what the driver itself may hold
    if (d.owners.empty() && used > own)
      made_.notes.push_back(to_string(used) + " of GPU " + std::to_string(d.physical_index) +
                            " are in use by programs that cannot be seen from here, perhaps in another container");
    leaves_.push_back(made_.add(std::move(d)));
    gpu_of_.push_back(gpu);
    positions_.push_back(at);
  }

  /// Cards in MIG mode have no NVLinks.
  void join_by_nvlink() {
    std::map<std::pair<std::size_t, std::size_t>, std::vector<int>> pairs;
    std::optional<graph::vertex_descriptor> fabric;
    for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
      if (!gpu_of_[leaf] || gpus_.gpus[*gpu_of_[leaf]].mig) continue;
      auto const& gpu = gpus_.gpus[*gpu_of_[leaf]];
      auto const& card = card_of_gpu(gpu);
      for (auto const& bundle : gpu.nvlinks) {
        if (bundle.to == nvlink_facts::end::nvswitch) {
          if (!fabric) fabric = made_.add(vertex_kind::nvswitch, "NVSwitch");
          made_.connect(leaves_[leaf], *fabric, part_of(default_link(path_kind::nvlink, card, bundle.links), 2));
          continue;
        }
        for (std::size_t other = 0; other < leaves_.size(); ++other)
          if (other != leaf && gpu_of_[other] && !gpus_.gpus[*gpu_of_[other]].mig &&
              kernel_pci(gpus_.gpus[*gpu_of_[other]].pci) == kernel_pci(bundle.pci))
            pairs[std::minmax(leaf, other)].push_back(bundle.links);
      }
    }
    for (auto const& [ends, counts] : pairs) {
      auto const& card = card_of_gpu(gpus_.gpus[*gpu_of_[ends.first]]);
      made_.connect(leaves_[ends.first], leaves_[ends.second],
                    default_link(path_kind::nvlink, card, *std::ranges::min_element(counts)));
    }
  }

  static gpu_model const& card_of_gpu(gpu_facts const& gpu) {
    auto const* const known = find_gpu_model(gpu.name);
    return known != nullptr ? *known : unknown_gpu;
  }

  path_kind between(std::size_t a, std::size_t b) const {
    if (gpu_of_[a] && gpu_of_[b]) {
      if (*gpu_of_[a] == *gpu_of_[b]) return path_kind::pix;  // slices of one card
      if (auto const kind = gpus_.pairs[*gpu_of_[a]][*gpu_of_[b]].nearest; kind != path_kind::none) return kind;
    }
    if (positions_[a] == nullptr || positions_[b] == nullptr) return path_kind::none;
    return nearest_way(*positions_[a], *positions_[b]);
  }

  void join_slots() {
    pcie_relations relations(leaves_.size(), std::vector<path_kind>(leaves_.size(), path_kind::none));
    for (std::size_t a = 0; a < leaves_.size(); ++a)
      for (std::size_t b = 0; b < a; ++b) relations[a][b] = relations[b][a] = between(a, b);
    gpu_model slot = card_of_gpu(gpus_.gpus.front());
    int generation = 0;
    for (auto const& gpu : gpus_.gpus)
      if (gpu.pcie_generation > 0) generation = generation == 0 ? gpu.pcie_generation : std::min(generation, gpu.pcie_generation);
    if (generation > 0) slot.pcie = generation;
    if (!join_by_pcie(made_, leaves_, relations, slot))
      for (std::size_t a = 0; a < leaves_.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
          if (is_pcie(relations[a][b])) made_.connect(leaves_[b], leaves_[a], default_link(relations[a][b], slot));
    for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf)
      if (gpu_of_[leaf]) narrow(leaves_[leaf], gpus_.gpus[*gpu_of_[leaf]].pcie_width);
  }

  /// A card in a slot of fewer than 16 lanes has so much less.
  void narrow(graph::vertex_descriptor v, int lanes) {
    if (lanes <= 0 || lanes >= 16) return;
    for (auto [e, end] = out_edges(v, made_); e != end; ++e)
      if (is_pcie(made_[*e].kind)) made_[*e].bandwidth = made_[*e].bandwidth * (lanes / 16.0);
  }

  gpu_machine const& gpus_;
  host_facts const& host_;
  graph made_;
  std::vector<graph::vertex_descriptor> leaves_;
  std::vector<std::optional<std::size_t>> gpu_of_;  ///< of each leaf: its place in gpus_, none for network cards
  std::vector<pci_position const*> positions_;      ///< of each leaf: where the system sees it; null where it does not
};

}  // namespace detail

/// The graph of the GPUs that a driver showed, on the host that the operating system showed. Capacity is all of a device's memory,
/// `device::free` what is left of it, which is what device groups plan with. A card in MIG mode is its slices.
/// Shape:      devices in NVML's order, slices in the place of their card
/// Complexity: O(n³) at worst in GPUs and network cards
inline graph live_graph(gpu_machine const& gpus, host_facts const& host) { return detail::live_builder(gpus, host).build(); }

/// True if NVIDIA's driver is loaded and lists GPUs.
inline bool has_nvidia_gpus(std::string const& proc = "/proc") {
  std::error_code ignored;
  auto const listed = std::filesystem::path(proc) / "driver/nvidia/gpus";
  return std::filesystem::is_directory(listed, ignored) && !std::filesystem::is_empty(listed, ignored);
}

/// The machine as it is now: its GPUs, or where NVML shows none, its cores as one slot. `graph::notes` says what could not be read.
/// Errors:     those of cpu_slots
inline result<graph> this_machine(discovery const& where = {}, cpu_facts const& machine = this_cpu()) {
  auto const gpus = read_nvml(where.nvml, where.proc);
  if (gpus.gpus.empty()) {
    GPUPLACE_TRY(auto g, cpu_slots(1, machine));
    g.source = "live";
    g.notes = gpus.notes;
    if (g.notes.empty() && has_nvidia_gpus(where.proc))
      g.notes.push_back(
          "GPUs are here but not read, for want of libnvidia-ml.so.1: nvidia-smi topo -m > gpus.txt, then gpus.txt@h100");
    return g;
  }
  std::vector<std::string> slots;
  for (auto const& gpu : gpus.gpus) slots.push_back(gpu.pci);
  auto host = read_hwloc(where.hwloc);
  bool const whole = std::ranges::all_of(slots, [&](std::string const& pci) { return host.find(kernel_pci(pci)) != nullptr; });
  if (!whole) host = read_sysfs(slots, where.sys);
  return live_graph(gpus, host);
}

}  // namespace gpuplace::topology
