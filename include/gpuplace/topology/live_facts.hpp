#pragma once
/// @file
/// What was asked of the machine that a program runs on, as plain data, before it becomes a graph.

#include <gpuplace/core/units.hpp>
#include <gpuplace/topology/device.hpp>
#include <gpuplace/topology/link.hpp>
#include <string>
#include <vector>

namespace gpuplace::topology {

/// The NVLinks from one GPU to one other end.
struct nvlink_facts {
  enum class end { gpu, nvswitch };
  end to = end::nvswitch;
  std::string pci{};  ///< of the GPU at the other end
  int links = 0;
};

/// One MIG slice of a GPU.
struct mig_facts {
  std::string uuid{};
  std::string name{};
  mig_slice slice{};
  bytes total{}, free{};
  int slices = 0;  ///< compute slices, of the seven that a card has; 0 where it is not known
  std::vector<memory_owner> owners{};
};

/// One GPU as the driver describes it; what the driver does not tell stays empty, zero or -1.
struct gpu_facts {
  int index = -1;  ///< NVML's number
  std::string name{}, uuid{}, pci{};
  bytes total{}, free{};
  int numa = -1;
  int sm = 0;                               ///< compute capability, 90 for 9.0
  int pcie_generation = 0, pcie_width = 0;  ///< the most that card and slot can do together
  gigabytes_per_second memory_bandwidth{};  ///< from clock and bus width
  teraflops peak_fp32{};                    ///< from clock and cores
  bool mig = false;                         ///< in MIG mode: programs see slices, not the card
  std::vector<mig_facts> slices{};
  std::vector<nvlink_facts> nvlinks{};
  std::vector<memory_owner> owners{};
};

/// What two GPUs are to each other.
struct gpu_pair_facts {
  path_kind nearest = path_kind::none;  ///< what PCIe traffic between them crosses; none where it is not known
  enum class access { unknown, yes, no } peer_access = access::unknown;
};

/// All that the driver tells of GPUs.
struct gpu_machine {
  std::vector<gpu_facts> gpus{};                     ///< in NVML's order, which is by PCI id
  std::vector<std::vector<gpu_pair_facts>> pairs{};  ///< [i][j] for positions in `gpus`
  std::vector<std::string> notes{};                  ///< what was left out, and why
  std::string driver{};                              ///< "580.65.06"; empty where no driver answers
  int cuda = 0;                                      ///< the newest CUDA that the driver serves: 13000 for 13.0; 0 is unknown
};

/// A network card.
struct nic_facts {
  std::string name{};  ///< "mlx5_0", "eth0"
  std::string pci{};
};

/// Where the operating system sees a PCI device.
struct pci_position {
  std::string pci{};
  int numa = -1;
  std::vector<std::string> bridges{};  ///< from the host bridge down to the bridge above the device, itself left out
};

/// What the operating system tells of the host.
struct host_facts {
  std::vector<pci_position> devices{};
  std::vector<nic_facts> nics{};

  pci_position const* find(std::string const& pci) const {
    for (auto const& d : devices)
      if (d.pci == pci) return &d;
    return nullptr;
  }
};

/// "00000000:18:00.0", "0000:18:00.0" or "18:00.0" as the kernel writes it: "0000:18:00.0", in lower case.
inline std::string kernel_pci(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  auto const colon = text.find(':');
  if (colon == text.npos) return text;
  if (text.find(':', colon + 1) == text.npos) return "0000:" + text;
  return colon > 4 ? text.substr(colon - 4) : std::string(4 - colon, '0') + text;
}

/// What traffic between two PCI devices crosses.
/// Source:     the legend of `nvidia-smi topo -m`; a PCIe switch shows as one bridge above and one below it
inline path_kind nearest_way(pci_position const& a, pci_position const& b) {
  std::size_t common = 0;
  while (common < a.bridges.size() && common < b.bridges.size() && a.bridges[common] == b.bridges[common]) ++common;
  if (common >= 2) return a.bridges.size() - common <= 1 && b.bridges.size() - common <= 1 ? path_kind::pix : path_kind::pxb;
  if (common == 1) return path_kind::phb;
  return a.numa == b.numa ? path_kind::node : path_kind::sys;
}

}  // namespace gpuplace::topology
