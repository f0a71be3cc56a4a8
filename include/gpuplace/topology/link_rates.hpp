#pragma once
/// @file
/// What a link gives when nobody measured it: the table of link types.

#include <algorithm>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/link.hpp>

namespace gpuplace::topology {

/// GB/s of an x16 slot in one direction, peer to peer.
/// Source:     NCCL counts 12 for generation 3; each generation doubles it (a gen5 card copied 55.5 from pinned host memory)
constexpr double pcie_rate(int generation) { return generation >= 5 ? 48 : generation == 4 ? 24 : 12; }

/// GB/s between the sockets of a machine of that PCIe generation.
/// Source:     NCCL's figures for Skylake (10), AMD's Infinity Fabric (16) and Sapphire Rapids (22)
constexpr double socket_rate(int generation) { return generation >= 5 ? 22 : generation == 4 ? 16 : 10; }

/// GB/s of one network card: 400 Gb/s InfiniBand beside PCIe generation 5, 200 beside 4, 100 beside 3.
constexpr double network_rate(int generation) { return generation >= 5 ? 50 : generation == 4 ? 25 : 12.5; }

/// GB/s between CPU slots, through the memory they share: what one thread's copy reaches on common servers. An estimate.
inline constexpr double shared_memory_rate = 10;

/// The whole way between two devices of this kind.
/// Latency:    11.5 microseconds measured for a small copy over NVLink between two H200s; what lies farther was set above it,
///             an estimate until a machine is probed
constexpr link default_link(path_kind kind, gpu_model const& model, int nvlinks = 0) {
  double const pcie = pcie_rate(model.pcie);
  auto const make = [&](double rate, double latency) {
    return link{kind, is_bundle(kind) ? nvlinks : 0, gigabytes_per_second{rate}, microseconds{latency}, false};
  };
  switch (kind) {
    case path_kind::nvlink: return make(nvlinks * (model.nvlink_rate > 0 ? model.nvlink_rate : 20.0), 11.5);
    case path_kind::xgmi: return make(nvlinks * (model.nvlink_rate > 0 ? model.nvlink_rate : 24.0), 11.5);
    case path_kind::memory: return make(shared_memory_rate, 1);
    case path_kind::c2c: return make(200, 11.5);
    case path_kind::pix: return make(pcie, 12);
    case path_kind::pxb: return make(pcie, 13);
    case path_kind::phb: return make(pcie, 14);
    case path_kind::node: return make(pcie, 14);
    case path_kind::sys: return make(std::min(pcie, socket_rate(model.pcie)), 17);
    case path_kind::network: return make(std::min(pcie, network_rate(model.pcie)), 20);
    case path_kind::self:
    case path_kind::none: break;
  }
  return link{};
}

/// `l` with its latency cut to one part in `parts`: the links of a way share its latency.
constexpr link part_of(link l, double parts) {
  l.latency = l.latency / parts;
  return l;
}

/// What is left of a PCIe path's bandwidth when the data is first copied to host memory and then to the other card. An estimate:
/// two copies of the same bytes that overlap little.
inline constexpr double staging_share = 0.5;

/// The path between two devices, given what the links allow: without peer access PCIe traffic goes through host memory.
constexpr path between_devices(path p, bool peer_to_peer) {
  if (peer_to_peer || p.staged || !is_pcie(p.kind)) return p;
  p.bandwidth = p.bandwidth * staging_share;
  p.latency = p.latency * 2;
  p.staged = true;
  return p;
}

}  // namespace gpuplace::topology
