#pragma once
/// @file
/// What PCI classes, device ids, slots and processors say to the readers of topology files.

#include <charconv>
#include <gpuplace/core/units.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <string_view>
#include <utility>

namespace gpuplace::topology::detail {

/// What a PCI class code means to a topology.
enum class pci_role { bridge, gpu, nic, nvswitch, cpu, other };

/// Source:     PCI Code and ID Assignment: 0x0604 PCI-to-PCI bridge, 0x03 display, 0x12 accelerator, 0x02 network; NCCL adds
///             0x068000 for an NVSwitch and 0x068001 for a CPU with NVLinks
constexpr pci_role role_of(std::string_view pci_class) {
  if (pci_class.starts_with("0x")) pci_class.remove_prefix(2);
  if (pci_class.starts_with("0604") || pci_class.starts_with("0801")) return pci_role::bridge;
  if (pci_class.starts_with("03") || pci_class.starts_with("12")) return pci_role::gpu;
  if (pci_class.starts_with("02")) return pci_role::nic;
  if (pci_class.starts_with("068001")) return pci_role::cpu;
  if (pci_class.starts_with("0680")) return pci_role::nvswitch;
  return pci_role::other;
}

/// GB/s in one direction of a PCIe slot: "16.0 GT/s PCIe", "8 GT/s"; empty counts as generation 3, no width as x16, and so does one that no slot has (the kernel
/// says 63 or 255 where it does not know).
/// Source:     NCCL's graph/topo.cc: 1.5, 3, 6, 12, 24, 48 Gb/s a lane from 2.5 to 64 GT/s; width times that, over 8
inline gigabytes_per_second slot_rate(std::string_view speed, int width) {
  double transfers = 8;
  std::from_chars(speed.data(), speed.data() + speed.size(), transfers);
  double lane = 1.5;
  for (double step = 2.5; step < 64 && transfers > step * 1.5; step *= 2) lane *= 2;
  return gigabytes_per_second{(width <= 0 || width > 32 ? 16 : width) * lane / 8};
}

/// GB/s between this CPU's socket and the next.
/// Source:     NCCL's graph/topo.h and topo.cc (QPI and UPI by family and model, Infinity Fabric, POWER9, Arm)
inline double socket_rate_of(std::string_view arch, std::string_view vendor, int family, int model) {
  if (arch == "ppc64") return 32;
  if (arch == "arm64" || arch == "aarch64") return 6;
  if (vendor == "AuthenticAMD") return 16;
  if (vendor != "GenuineIntel" || family != 6) return 6;
  return model >= 0xcf ? 40 : model >= 0x8f ? 22 : model >= 0x55 ? 10 : 6;
}

/// The card behind a PCI device id, or the first of those of AMD's architecture; null when neither is known.
/// Source:     the PCI ID database for device ids
inline gpu_model const* card_of(std::string_view vendor, std::string_view id, std::string_view gcn) {
  constexpr std::pair<std::string_view, std::string_view> nvidia[] = {
      {"0x2901", "b200"},      {"0x2335", "h200"},      {"0x2330", "h100"},    {"0x2331", "h100-pcie"}, {"0x2321", "h100-nvl"},
      {"0x2329", "h20"},       {"0x2342", "gh200"},     {"0x20b2", "a100"},    {"0x20b0", "a100-40gb"}, {"0x20b5", "a100-pcie"},
      {"0x20b7", "a30"},       {"0x2235", "a40"},       {"0x2230", "a6000"},   {"0x2236", "a10"},       {"0x2237", "a10g"},
      {"0x26b9", "l40s"},      {"0x26b5", "l40"},       {"0x27b8", "l4"},      {"0x1eb8", "t4"},        {"0x1db1", "v100"},
      {"0x1db5", "v100-32gb"}, {"0x1db4", "v100-pcie"}, {"0x2684", "rtx4090"}, {"0x2204", "rtx3090"}};
  if (vendor == "0x10de")
    for (auto const& [known, key] : nvidia)
      if (known == id) return find_gpu_model(key);
  if (!gcn.empty()) {
    auto const name = gcn.starts_with("gfx") ? gcn.substr(3) : gcn;
    return find_gpu_model(name.starts_with("94")           ? "mi300x"
                          : name == "90a" || name == "910" ? "mi250x"
                          : name == "908"                  ? "mi100"
                                                           : "mi50");
  }
  return nullptr;
}

/// The smallest card of a compute capability; null when nothing is known.
inline gpu_model const* smallest_card(int sm) {
  return sm >= 100  ? find_gpu_model("b200")
         : sm >= 90 ? find_gpu_model("h100")
         : sm == 80 ? find_gpu_model("a100-40gb")
         : sm == 70 ? find_gpu_model("v100")
                    : nullptr;
}

/// True for who makes the GPUs that gpuplace plans for; a server's console has a display controller too.
/// Source:     the PCI ID database: 10de NVIDIA, 1002 AMD
constexpr bool makes_gpus(std::string_view vendor) {
  if (vendor.starts_with("0x")) vendor.remove_prefix(2);
  return vendor == "10de" || vendor == "1002";
}

}  // namespace gpuplace::topology::detail
