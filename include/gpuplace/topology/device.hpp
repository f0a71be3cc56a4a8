#pragma once
/// @file
/// One device as planning sees it: its name, its memory and its peak rates.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/units.hpp>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace {

/// A process that holds memory of a device.
struct memory_owner {
  int pid = 0;
  std::string name{};  ///< of the program; empty where it is not known, as inside a container
  bytes used{};        ///< zero where it is not known

  friend bool operator==(memory_owner const&, memory_owner const&) = default;
};

/// Which part of a card a MIG slice is: one compute instance of one GPU instance.
struct mig_slice {
  std::string gpu{};  ///< UUID of the whole card, "GPU-…"
  int gpu_instance = -1;
  int compute_instance = -1;

  friend bool operator==(mig_slice const&, mig_slice const&) = default;
};

/// One GPU, or one slot of CPU cores. Rates are the vendor's dense peaks; a rate of zero is unknown and costs nothing.
struct device {
  device_id id{};
  std::string name{};                       ///< as the driver shows it: "NVIDIA H100 80GB HBM3"
  int numa = -1;                            ///< the NUMA node it hangs on; -1 is unknown
  int physical_index = -1;                  ///< its number before any renumbering: NVML's for GPUs
  int cores = 0;                            ///< CPU cores of a slot; 0 for GPUs
  bytes capacity{};                         ///< all memory that programs can use
  std::optional<bytes> free{};              ///< what was free when a live machine was read; absent elsewhere
  gigabytes_per_second memory_bandwidth{};  ///< of its own memory
  gigabytes_per_second from_host{};         ///< from pinned host memory, where it was measured
  gigabytes_per_second to_host{};           ///< to pinned host memory, likewise
  teraflops peak_bf16{};                    ///< dense, without sparsity
  teraflops peak_fp32{};                    ///< without tensor cores
  seconds launch_cost{};                    ///< fixed cost of starting one unit's work
  bool peer_to_peer = true;                 ///< can reach another device over PCIe without host memory (GeForce cannot)
  std::string uuid{};                       ///< "GPU-…" or "MIG-…"; may be empty
  std::string pci{};                        ///< "00000000:18:00.0"; may be empty
  std::optional<mig_slice> mig{};           ///< of a MIG slice; its `physical_index` and `pci` are the card's
  std::vector<memory_owner> owners{};       ///< who holds its memory, where a live machine was read
  std::string note{};                       ///< says which of these figures were assumed; empty when none

  friend bool operator==(device const&, device const&) = default;
};

}  // namespace gpuplace
