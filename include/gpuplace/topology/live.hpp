#pragma once
/// @file
/// The machine this program runs on: its CPU cores as slots, read from /proc.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <istream>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace gpuplace::topology {

/// What is asked of a machine before its cores become slots.
struct cpu_facts {
  std::string name = "CPU";
  int cores = 1;
  bytes available{};  ///< what programs may still take
};

/// Estimates for one core, until a probe measures them: a server core streams about 10 GB/s from memory, all together at most about
/// 80; two 8-lane FMA units at 3 GHz give 96 GFLOP/s, half of which is a good day.
inline constexpr double core_bandwidth = 10, machine_bandwidth = 80, core_teraflops = 0.05;

namespace detail {
/// MemAvailable of /proc/meminfo's text; zero when it is not there.
inline bytes available_memory(std::istream& meminfo) {
  for (std::string line; std::getline(meminfo, line);) {
    std::istringstream words(line);
    std::string key, unit;
    std::int64_t amount = 0;
    if (words >> key >> amount >> unit && key == "MemAvailable:" && unit == "kB") return bytes{amount << 10};
  }
  return {};
}
inline std::string cpu_name(std::istream& cpuinfo) {
  for (std::string line; std::getline(cpuinfo, line);)
    if (auto const colon = line.find(": "); line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
  return "CPU";
}
}  // namespace detail

/// This machine's facts.
/// Source:     /proc/meminfo (proc(5): MemAvailable), /proc/cpuinfo, std::thread::hardware_concurrency
inline cpu_facts this_cpu() {
  std::ifstream meminfo("/proc/meminfo"), cpuinfo("/proc/cpuinfo");
  return {detail::cpu_name(cpuinfo), std::max(1, static_cast<int>(std::thread::hardware_concurrency())),
          detail::available_memory(meminfo)};
}

namespace detail {
inline result<graph> slots(int count, cpu_facts const& machine, std::string const& note) {
  if (count < 1 || count > 1024)
    return error{errc::invalid_argument, std::to_string(count) + " slots cannot be made", "cpu:N", "write cpu:1 to cpu:1024"};
  if (machine.available.count() <= 0)
    return error{errc::unreadable, "the free memory of this machine is not known", "/proc/meminfo", "give a topology file instead"};
  graph g;
  g.source = "cpu:" + std::to_string(count);
  auto const memory = g.add(vertex_kind::host, "host");
  double const share = std::min(machine.cores * core_bandwidth, machine_bandwidth) / count;
  for (int i = 0; i < count; ++i) {
    device d;
    d.id = {device_kind::cpu, i, {}};
    d.name = machine.name;
    d.physical_index = i;
    d.cores = std::max(1, machine.cores / count + (i < machine.cores % count ? 1 : 0));
    d.capacity = bytes{machine.available.count() / count};
    d.memory_bandwidth = gigabytes_per_second{share};
    d.peak_bf16 = d.peak_fp32 = teraflops{core_teraflops * machine.cores / count};
    d.launch_cost = microseconds{5};
    d.note = note;
    g.connect(g.add(std::move(d)), memory, part_of(default_link(path_kind::memory, unknown_gpu), 2));
  }
  return g;
}
}  // namespace detail

/// The cores and the available memory of one machine, shared out evenly over `slots` devices cpu:0, cpu:1, ….
/// A machine with fewer cores than slots gives one core to each: they take turns. Bandwidth and peaks are estimates.
/// Errors:     errc::invalid_argument for less than one slot, errc::unreadable when the memory is not known
inline result<graph> cpu_slots(int slots, cpu_facts const& machine = this_cpu()) {
  return detail::slots(slots, machine, "rates are estimates");
}

/// True if NVIDIA's driver is loaded and lists GPUs.
inline bool has_nvidia_gpus() {
  std::error_code ignored;
  std::filesystem::path const listed = "/proc/driver/nvidia/gpus";
  return std::filesystem::is_directory(listed, ignored) && !std::filesystem::is_empty(listed, ignored);
}

/// The machine as it is now: its cores as one slot. GPUs are not read here; where there are some, the slot's note says how to name
/// them.
/// Errors:     those of cpu_slots
inline result<graph> this_machine(bool gpus = has_nvidia_gpus(), cpu_facts const& machine = this_cpu()) {
  auto const* const note =
      gpus ? "rates are estimates; GPUs are here but not read: nvidia-smi topo -m > gpus.txt, then gpus.txt@h100"
           : "rates are estimates";
  GPUPLACE_TRY(auto g, detail::slots(1, machine, note));
  g.source = "live";
  return g;
}

}  // namespace gpuplace::topology
