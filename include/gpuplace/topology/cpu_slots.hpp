#pragma once
/// @file
/// The CPU cores of the machine this program runs on, as slots.

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <istream>
#include <optional>
#include <sstream>
#include <string>
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
/// What the container may still take: its limit less what it holds and cannot give back; none where there is no limit.
/// Source:     Linux cgroup v2: memory.max, memory.current, inactive_file of memory.stat
inline std::optional<bytes> container_room(std::string const& cgroup) {
  std::ifstream max(cgroup + "/memory.max"), current(cgroup + "/memory.current"), stat(cgroup + "/memory.stat");
  std::int64_t limit = 0, held = 0, amount = 0;
  if (!(max >> limit) || !(current >> held)) return std::nullopt;
  for (std::string key; stat >> key >> amount;)
    if (key == "inactive_file") held -= amount;
  return bytes{std::max<std::int64_t>(limit - held, 0)};
}
inline std::string cpu_name(std::istream& cpuinfo) {
  for (std::string line; std::getline(cpuinfo, line);)
    if (auto const colon = line.find(": "); line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
  return "CPU";
}
}  // namespace detail

/// This machine's facts; inside a container, its share of the memory.
/// Source:     /proc/meminfo (proc(5): MemAvailable), /proc/cpuinfo, std::thread::hardware_concurrency, cgroup v2
inline cpu_facts this_cpu() {
  std::ifstream meminfo("/proc/meminfo"), cpuinfo("/proc/cpuinfo");
  auto const available = detail::available_memory(meminfo);
  return {detail::cpu_name(cpuinfo), std::max(1, static_cast<int>(std::thread::hardware_concurrency())),
          std::min(available, detail::container_room("/sys/fs/cgroup").value_or(available))};
}

/// The cores and the available memory of one machine, shared out evenly over `count` devices cpu:0, cpu:1, ….
/// A machine with fewer cores than slots gives one core to each: they take turns. Bandwidth and peaks are estimates.
/// Errors:     errc::invalid_argument for less than one slot, errc::unreadable when the memory is not known
inline result<graph> cpu_slots(int count, cpu_facts const& machine = this_cpu()) {
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
    d.note = "rates are estimates";
    g.connect(g.add(std::move(d)), memory, part_of(default_link(path_kind::memory, unknown_gpu), 2));
  }
  return g;
}

}  // namespace gpuplace::topology
