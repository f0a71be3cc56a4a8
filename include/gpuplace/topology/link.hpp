#pragma once
/// @file
/// Links of the topology graph and the paths that are made of them.

#include <array>
#include <gpuplace/core/units.hpp>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace {

/// What a link or a path crosses, nearest first: a path is of the farthest kind among its links.
/// Source:     the legend that `nvidia-smi topo -m` prints, for pix to sys
enum class path_kind {
  self,     ///< a device to itself
  memory,   ///< through the memory that CPU slots share
  nvlink,   ///< bonded NVLinks, direct or through NVSwitches
  xgmi,     ///< bonded xGMI links, AMD's Infinity Fabric between GPUs
  c2c,      ///< a coherent chip-to-chip link between GPU and CPU
  pix,      ///< at most one PCIe bridge
  pxb,      ///< several PCIe bridges, no host bridge
  phb,      ///< a PCIe host bridge (the CPU)
  node,     ///< the interconnect between host bridges of one NUMA node
  sys,      ///< the interconnect between NUMA nodes
  network,  ///< from host to host
  none,     ///< no way at all
};

namespace detail {
inline constexpr std::array<std::pair<path_kind, std::string_view>, 12> path_kind_names{{{path_kind::self, "self"},
                                                                                         {path_kind::memory, "memory"},
                                                                                         {path_kind::nvlink, "nvlink"},
                                                                                         {path_kind::xgmi, "xgmi"},
                                                                                         {path_kind::c2c, "c2c"},
                                                                                         {path_kind::pix, "pix"},
                                                                                         {path_kind::pxb, "pxb"},
                                                                                         {path_kind::phb, "phb"},
                                                                                         {path_kind::node, "node"},
                                                                                         {path_kind::sys, "sys"},
                                                                                         {path_kind::network, "network"},
                                                                                         {path_kind::none, "none"}}};
}

constexpr std::string_view to_string(path_kind kind) { return detail::path_kind_names[static_cast<std::size_t>(kind)].second; }

/// The inverse of to_string(path_kind).
constexpr std::optional<path_kind> parse_path_kind(std::string_view text) {
  for (auto const& [kind, name] : detail::path_kind_names)
    if (name == text) return kind;
  return std::nullopt;
}

/// True for the kinds that are bundles of links from card to card, which `path::nvlinks` counts.
constexpr bool is_bundle(path_kind kind) { return kind == path_kind::nvlink || kind == path_kind::xgmi; }

/// True for the kinds whose data crosses PCIe.
constexpr bool is_pcie(path_kind kind) { return kind >= path_kind::pix && kind <= path_kind::sys; }

/// The best way between two devices, or one link of such a way (then it is an edge of the graph).
struct path {
  path_kind kind = path_kind::none;
  int nvlinks = 0;                   ///< bonded NVLinks (or xGMI links) at the narrowest place; 0 for every other kind
  gigabytes_per_second bandwidth{};  ///< one direction, at the narrowest place
  microseconds latency{};            ///< of a small copy
  bool staged = false;               ///< the data goes through host memory, because the cards have no peer access

  /// What nvidia-smi prints in its matrix: "NV18", "PIX", "SYS", "X" for a device to itself; and "XGMI", "MEM", "NET", "C2C", "-".
  std::string label() const {
    switch (kind) {
      case path_kind::self: return "X";
      case path_kind::memory: return "MEM";
      case path_kind::nvlink: return "NV" + std::to_string(nvlinks);
      case path_kind::xgmi: return "XGMI";
      case path_kind::c2c: return "C2C";
      case path_kind::pix: return "PIX";
      case path_kind::pxb: return "PXB";
      case path_kind::phb: return "PHB";
      case path_kind::node: return "NODE";
      case path_kind::sys: return "SYS";
      case path_kind::network: return "NET";
      case path_kind::none: break;
    }
    return "-";
  }

  /// Time to move `amount`: latency + amount / bandwidth; nothing to oneself, for ever where there is no way.
  seconds time(bytes amount) const {
    if (kind == path_kind::self) return seconds{0};
    if (kind == path_kind::none) return seconds{std::numeric_limits<double>::infinity()};
    return latency + amount / bandwidth;
  }

  friend bool operator==(path const&, path const&) = default;
};

/// An edge of the topology graph.
using link = path;

}  // namespace gpuplace
