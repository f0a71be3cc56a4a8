#pragma once
/// @file
/// What is known of each card: memory, rates, links. One row a card; adding a card is adding a row.

#include <array>
#include <cstdint>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/device.hpp>
#include <gpuplace/topology/link.hpp>
#include <string>
#include <string_view>

namespace gpuplace::topology {

/// One card, or what stands in for an unknown one.
struct gpu_model {
  std::string_view key;     ///< as users write it: "h100"
  std::string_view name;    ///< as the driver prints it
  double memory_gib;        ///< usable, as cudaMemGetInfo gives the total
  double memory_bandwidth;  ///< GB/s
  double peak_bf16;         ///< dense TFLOP/s on tensor cores, fp32 accumulation; fp16 where the card has no bf16
  double peak_fp32;         ///< TFLOP/s without tensor cores
  int nvlinks;              ///< NVLinks (xGMI links) of one card on its board; 0 where cards are bought alone, bridged or not
  double nvlink_rate;       ///< GB/s of one link in one direction, as NCCL counts it; 0 for cards that have none
  int pcie;                 ///< generation of its x16 slot
  bool peer_to_peer;        ///< peer access over PCIe
};

/// Memory: cuDeviceTotalMem read 85,017,493,504 bytes on an H100 80GB HBM3; the other values are the totals that CUDA programs
/// print for these cards (79.15 GiB of an A100's 80), all below the label because driver and ECC keep some.
/// Bandwidth and peaks: NVIDIA's datasheets (H100, H200, H20, A100, A30, A40, V100, L40S, L4, A10, T4, RTX A6000, RTX 6000 Ada, HGX
/// B200), its Turing, Ampere GA102, Ada and Blackwell whitepapers for the RTX cards (3060 scaled from the 3090 by cores and clock);
/// AMD's datasheets (MI50 to MI300X; MI250X is one of its two dies, which is what programs see). Dense: half of "with sparsity".
/// NVLink rate: NCCL's graph/topo.h (sm70 and sm80 20.0, sm86 12.0, sm90 20.6, sm100 40.1); xGMI: RCCL's (24, 36, 48).
/// Peer access: NVIDIA's driver offers none over PCIe on GeForce cards since the RTX 30 series.
inline constexpr std::array<gpu_model, 35> gpu_models{{
    {"b200", "NVIDIA B200", 178.3, 8000, 2250, 80, 18, 40.1, 5, true},
    {"h200", "NVIDIA H200", 139.8, 4800, 989.4, 66.9, 18, 20.6, 5, true},
    {"h100", "NVIDIA H100 80GB HBM3", 79.18, 3350, 989.4, 66.9, 18, 20.6, 5, true},
    {"h100-pcie", "NVIDIA H100 PCIe", 79.1, 2000, 756, 51.2, 0, 20.6, 5, true},
    {"h100-nvl", "NVIDIA H100 NVL", 93.1, 3900, 835, 60, 0, 20.6, 5, true},
    {"h20", "NVIDIA H20", 95.0, 4000, 148, 44, 18, 20.6, 5, true},
    {"gh200", "NVIDIA GH200 480GB", 94.5, 4000, 989.4, 66.9, 0, 20.6, 5, true},
    {"a100", "NVIDIA A100-SXM4-80GB", 79.15, 2039, 312, 19.5, 12, 20, 4, true},
    {"a100-40gb", "NVIDIA A100-SXM4-40GB", 39.4, 1555, 312, 19.5, 12, 20, 4, true},
    {"a100-pcie", "NVIDIA A100 80GB PCIe", 79.15, 1935, 312, 19.5, 0, 20, 4, true},
    {"a30", "NVIDIA A30", 23.5, 933, 165, 10.3, 0, 20, 4, true},
    {"v100", "Tesla V100-SXM2-16GB", 15.77, 900, 125, 15.7, 6, 20, 3, true},
    {"v100-32gb", "Tesla V100-SXM2-32GB", 31.74, 900, 125, 15.7, 6, 20, 3, true},
    {"v100-pcie", "Tesla V100-PCIE-16GB", 15.77, 900, 112, 14, 0, 20, 3, true},
    {"l40s", "NVIDIA L40S", 44.4, 864, 362, 91.6, 0, 0, 4, true},
    {"l40", "NVIDIA L40", 44.4, 864, 181, 90.5, 0, 0, 4, true},
    {"a40", "NVIDIA A40", 44.4, 696, 149.7, 37.4, 0, 12, 4, true},
    {"rtx6000-ada", "NVIDIA RTX 6000 Ada Generation", 47.5, 960, 364.2, 91.1, 0, 0, 4, true},
    {"a6000", "NVIDIA RTX A6000", 47.5, 768, 154.8, 38.7, 0, 12, 4, true},
    {"l4", "NVIDIA L4", 22.0, 300, 121, 30.3, 0, 0, 4, true},
    {"a10", "NVIDIA A10", 22.0, 600, 125, 31.2, 0, 0, 4, true},
    {"a10g", "NVIDIA A10G", 22.0, 600, 70, 31.5, 0, 0, 4, true},
    {"t4", "Tesla T4", 14.6, 320, 65, 8.1, 0, 0, 3, true},
    {"rtx5090", "NVIDIA GeForce RTX 5090", 31.4, 1792, 209.5, 104.8, 0, 0, 5, false},
    {"rtx4090", "NVIDIA GeForce RTX 4090", 23.6, 1008, 165.2, 82.6, 0, 0, 4, false},
    {"rtx4080", "NVIDIA GeForce RTX 4080", 15.7, 717, 97.5, 48.7, 0, 0, 4, false},
    {"rtx3090", "NVIDIA GeForce RTX 3090", 23.7, 936, 71, 35.6, 0, 12, 4, false},
    {"rtx3080", "NVIDIA GeForce RTX 3080", 9.6, 760, 59.5, 29.8, 0, 0, 4, false},
    {"rtx3060", "NVIDIA GeForce RTX 3060", 11.76, 360, 25.6, 12.7, 0, 0, 4, false},
    {"rtx2080ti", "NVIDIA GeForce RTX 2080 Ti", 10.7, 616, 53.8, 13.4, 0, 20, 3, true},
    {"mi300x", "AMD Instinct MI300X", 191.5, 5300, 1307.4, 163.4, 7, 48, 5, true},
    {"mi250x", "AMD Instinct MI250X", 63.9, 1638, 191.5, 23.9, 0, 36, 4, true},
    {"mi210", "AMD Instinct MI210", 63.9, 1638, 181, 22.6, 0, 36, 4, true},
    {"mi100", "AMD Instinct MI100", 31.9, 1229, 184.6, 23.1, 0, 24, 4, true},
    {"mi50", "AMD Instinct MI50", 15.9, 1024, 26.5, 13.3, 0, 24, 4, true},
}};

/// A card that nothing is known of: small on purpose, so that a plan for it errs on the safe side.
inline constexpr gpu_model unknown_gpu{"", "GPU of unknown make", 12, 300, 25, 10, 0, 20, 3, true};

/// A round-figure data-centre card, for `uniform:`.
inline constexpr gpu_model uniform_gpu{"", "uniform", 80, 2000, 300, 20, 18, 20, 4, true};

/// Fixed cost of starting one layer's kernels on a GPU, about ten launches of 2 to 3 microseconds each.
inline constexpr microseconds gpu_launch_cost{25};

/// The card that users call `key` ("h100") or the driver calls so ("NVIDIA H100 80GB HBM3"); null when unknown.
constexpr gpu_model const* find_gpu_model(std::string_view key) {
  for (auto const& model : gpu_models)
    if (model.key == key || model.name == key) return &model;
  return nullptr;
}

/// What joins several of this card where PCIe does not: NVLink, or AMD's xGMI.
constexpr path_kind fabric_of(gpu_model const& model) {
  return model.name.starts_with("AMD ") ? path_kind::xgmi : path_kind::nvlink;
}

/// All keys, for error messages: "b200, h200, …".
inline std::string gpu_model_keys() {
  std::string text;
  for (auto const& model : gpu_models) text.append(text.empty() ? "" : ", ").append(model.key);
  return text;
}

/// Device `cuda:index` made of this card.
inline device make_gpu(gpu_model const& model, int index, int numa = -1, std::string host = {}) {
  device d;
  d.id = {device_kind::cuda, index, std::move(host)};
  d.name = model.name;
  d.numa = numa;
  d.physical_index = index;
  d.capacity = bytes{static_cast<std::int64_t>(model.memory_gib * 0x1p30)};
  d.memory_bandwidth = gigabytes_per_second{model.memory_bandwidth};
  d.peak_bf16 = teraflops{model.peak_bf16};
  d.peak_fp32 = teraflops{model.peak_fp32};
  d.launch_cost = gpu_launch_cost;
  d.peer_to_peer = model.peer_to_peer;
  return d;
}

}  // namespace gpuplace::topology
