#pragma once
/// @file
/// Asks NVIDIA's driver what GPUs there are, through NVML, which is loaded at run time.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <gpuplace/topology/live_facts.hpp>
#include <gpuplace/topology/shared_library.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// NVML's C interface, as far as it is used here. No header of NVIDIA's is needed to build.
/// Source:     NVML API Reference; layouts and numbers are those of nvml.h 12 and of its Python binding nvidia-ml-py
namespace nvml {

using device_handle = struct nvml_device*;
using status = int;
inline constexpr status success = 0, insufficient_size = 7, driver_not_loaded = 9, gpu_is_lost = 15;

struct pci_info {
  char legacy_bus_id[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};
struct memory_info {
  unsigned long long total, free, used;
};
struct utilization {
  unsigned gpu, memory;  // per cent
};
struct process_info {
  unsigned pid;
  unsigned long long used;
  unsigned gpu_instance, compute_instance;
};
struct device_attributes {
  unsigned multiprocessors, shared_copy_engines, shared_decoders, shared_encoders, shared_jpeg, shared_ofa, gpu_slices,
      compute_slices;
  unsigned long long memory_mib;
};
static_assert(sizeof(pci_info) == 68 && sizeof(process_info) == 24 && sizeof(device_attributes) == 40);

inline constexpr unsigned most_links = 36;            // NVML_NVLINK_MAX_LINKS
inline constexpr unsigned long long unknown = ~0ULL;  // NVML_VALUE_NOT_AVAILABLE
enum link_end : int { link_to_gpu = 0, link_to_npu = 1, link_to_switch = 2 };
enum clock : int { clock_sm = 1, clock_memory = 2 };
enum peer_capability : int { peer_read = 0 };
inline constexpr int affinity_node = 0;

}  // namespace nvml

namespace detail {

/// The name of the program that runs as `pid`, from /proc; empty where it cannot be seen.
inline std::string program_name(std::string const& proc, int pid) {
  std::ifstream in(proc + "/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(in, name);
  return name;
}

/// One conversation with NVML, from its start to its shutdown.
class nvml_conversation {
public:
  explicit nvml_conversation(shared_library library) : library_(std::move(library)) {
    auto* const begin = library_.function<nvml::status()>("nvmlInit_v2");
    constexpr nvml::status function_not_found = 13;
    started_ = begin == nullptr ? function_not_found : begin();
  }
  nvml_conversation(nvml_conversation const&) = delete;
  ~nvml_conversation() {
    if (started_ == nvml::success) call<>("nvmlShutdown");
  }

  nvml::status started() const { return started_; }

  /// Calls a function of NVML; one that this version lacks answers as one that is not supported.
  template <class... Arguments>
  nvml::status call(char const* name, Arguments... arguments) const {
    auto* const f = library_.function<nvml::status(Arguments...)>(name);
    constexpr nvml::status not_supported = 3;
    return f == nullptr ? not_supported : f(arguments...);
  }

  std::string words(nvml::status code) const {
    auto* const f = library_.function<char const*(nvml::status)>("nvmlErrorString");
    return f == nullptr || f(code) == nullptr ? "error " + std::to_string(code) : f(code);
  }

private:
  shared_library library_;
  nvml::status started_;
};

/// NVML's file where none is named.
inline shared_library open_nvml(std::string const& library) {
  return library.empty() ? shared_library::open("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")
                         : shared_library::open(library);
}

/// Asks NVML for all that is known of the machine's GPUs.
class nvml_session : nvml_conversation {
public:
  nvml_session(shared_library library, std::string proc) : nvml_conversation(std::move(library)), proc_(std::move(proc)) {}

  gpu_machine read() {
    gpu_machine made;
    if (started() != nvml::success) {
      if (started() != nvml::driver_not_loaded)
        made.notes.push_back("GPUs are not read, NVML does not start: " + words(started()) + "; try nvidia-smi");
      return made;
    }
    std::array<char, 96> version{};
    if (call("nvmlSystemGetDriverVersion", version.data(), static_cast<unsigned>(version.size() - 1)) == nvml::success)
      made.driver = version.data();
    call("nvmlSystemGetCudaDriverVersion_v2", &made.cuda);
    unsigned count = 0;
    if (auto const code = call("nvmlDeviceGetCount_v2", &count); code != nvml::success)
      made.notes.push_back("GPUs are not read, NVML does not count them: " + words(code));
    std::vector<nvml::device_handle> handles;
    for (unsigned i = 0; i < std::min(count, 1024U); ++i) {
      nvml::device_handle handle{};
      auto code = call("nvmlDeviceGetHandleByIndex_v2", i, &handle);
      nvml::memory_info memory{};
      if (code == nvml::success && call("nvmlDeviceGetMemoryInfo", handle, &memory) == nvml::gpu_is_lost) code = nvml::gpu_is_lost;
      if (code != nvml::success) {
        made.notes.push_back("GPU " + std::to_string(i) + " is left out: " + words(code) +
                             (code == nvml::gpu_is_lost ? "; reset it (nvidia-smi --gpu-reset) or restart the machine" : ""));
        continue;
      }
      handles.push_back(handle);
      made.gpus.push_back(read_gpu(handle, static_cast<int>(i), memory));
    }
    made.pairs.assign(handles.size(), std::vector<gpu_pair_facts>(handles.size()));
    for (std::size_t a = 0; a < handles.size(); ++a)
      for (std::size_t b = 0; b < handles.size(); ++b)
        if (a != b) made.pairs[a][b] = read_pair(handles[a], handles[b]);
    return made;
  }

private:
  /// A text that NVML writes; empty where it writes none.
  std::string text(char const* function, nvml::device_handle handle) const {
    std::array<char, 128> buffer{};
    if (call(function, handle, buffer.data(), static_cast<unsigned>(buffer.size() - 1)) != nvml::success) return {};
    return buffer.data();
  }

  unsigned number(char const* function, nvml::device_handle handle) const {
    unsigned value = 0;
    return call(function, handle, &value) == nvml::success ? value : 0;
  }

  gpu_facts read_gpu(nvml::device_handle handle, int index, nvml::memory_info const& memory) const {
    gpu_facts gpu;
    gpu.index = index;
    gpu.name = text("nvmlDeviceGetName", handle);
    gpu.uuid = text("nvmlDeviceGetUUID", handle);
    nvml::pci_info pci{};
    if (call("nvmlDeviceGetPciInfo_v3", handle, &pci) == nvml::success) gpu.pci = bus_id(pci);
    gpu.total = bytes{static_cast<std::int64_t>(memory.total)};
    gpu.free = bytes{static_cast<std::int64_t>(memory.free)};
    gpu.numa = numa_node(handle);
    int major = 0, minor = 0;
    if (call("nvmlDeviceGetCudaComputeCapability", handle, &major, &minor) == nvml::success) gpu.sm = major * 10 + minor;
    gpu.pcie_generation = static_cast<int>(number("nvmlDeviceGetMaxPcieLinkGeneration", handle));
    gpu.pcie_width = static_cast<int>(number("nvmlDeviceGetMaxPcieLinkWidth", handle));
    unsigned memory_mhz = 0, sm_mhz = 0;
    call("nvmlDeviceGetMaxClockInfo", handle, int{nvml::clock_memory}, &memory_mhz);
    call("nvmlDeviceGetMaxClockInfo", handle, int{nvml::clock_sm}, &sm_mhz);
    // two transfers a clock over the bus; two operations a clock in each core
    gpu.memory_bandwidth = gigabytes_per_second{2e-3 * memory_mhz * number("nvmlDeviceGetMemoryBusWidth", handle) / 8};
    gpu.peak_fp32 = teraflops{2e-6 * sm_mhz * number("nvmlDeviceGetNumGpuCores", handle)};
    auto const processes = running(handle);
    gpu.owners = owners_of(processes, std::nullopt);
    gpu.nvlinks = read_nvlinks(handle);
    read_slices(handle, gpu, processes);
    return gpu;
  }

  static std::string bus_id(nvml::pci_info const& pci) {
    return std::string(std::begin(pci.bus_id), std::find(std::begin(pci.bus_id), std::end(pci.bus_id), '\0'));
  }

  /// The NUMA node nearest to a GPU: the first one of its memory affinity.
  int numa_node(nvml::device_handle handle) const {
    std::array<unsigned long, 16> nodes{};
    if (call("nvmlDeviceGetMemoryAffinity", handle, static_cast<unsigned>(nodes.size()), nodes.data(), nvml::affinity_node) !=
        nvml::success)
      return -1;
    constexpr int bits = static_cast<int>(8 * sizeof(unsigned long));
    for (int i = 0; i < bits * static_cast<int>(nodes.size()); ++i)
      if ((nodes[static_cast<std::size_t>(i / bits)] >> (i % bits) & 1UL) != 0) return i;
    return -1;
  }

  /// Every process that has memory of the GPU, once.
  std::vector<nvml::process_info> running(nvml::device_handle handle) const {
    std::vector<nvml::process_info> all;
    for (auto const* kind : {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
                             "nvmlDeviceGetMPSComputeRunningProcesses_v3"}) {
      unsigned count = 0;
      std::vector<nvml::process_info> found;
      nvml::status code = call(kind, handle, &count, static_cast<nvml::process_info*>(nullptr));
      for (int attempt = 0; code == nvml::insufficient_size && attempt < 4; ++attempt) {  // more may have started meanwhile
        found.resize(std::min(count, 1U << 20) + 8);
        count = static_cast<unsigned>(found.size());
        code = call(kind, handle, &count, found.data());
      }
      if (code != nvml::success) continue;
      found.resize(std::min<std::size_t>(count, found.size()));
      for (auto const& p : found)
        if (std::ranges::none_of(all,
                                 [&](auto const& known) { return known.pid == p.pid && known.gpu_instance == p.gpu_instance; }))
          all.push_back(p);
    }
    return all;
  }

  std::vector<memory_owner> owners_of(std::vector<nvml::process_info> const& processes,
                                      std::optional<unsigned> gpu_instance) const {
    std::vector<memory_owner> owners;
    for (auto const& p : processes)
      if (!gpu_instance || p.gpu_instance == *gpu_instance)
        owners.push_back({static_cast<int>(p.pid), program_name(proc_, static_cast<int>(p.pid)),
                          bytes{p.used == nvml::unknown ? 0 : static_cast<std::int64_t>(p.used)}});
    return owners;
  }

  std::vector<nvlink_facts> read_nvlinks(nvml::device_handle handle) const {
    std::vector<nvlink_facts> bundles;
    for (unsigned link = 0; link < nvml::most_links; ++link) {
      unsigned active = 0;
      if (call("nvmlDeviceGetNvLinkState", handle, link, &active) != nvml::success || active == 0) continue;
      int end = nvml::link_to_gpu;
      bool const typed = call("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link, &end) == nvml::success;
      nvml::pci_info remote{};
      bool const located = call("nvmlDeviceGetNvLinkRemotePciInfo_v2", handle, link, &remote) == nvml::success;
      nvlink_facts found;
      if (typed && end == nvml::link_to_npu) continue;  // to a POWER processor: no way to another GPU
      if (located && (!typed || end == nvml::link_to_gpu) && remote.bus <= 0xff)
        found = {nvlink_facts::end::gpu, bus_id(remote), 0};
      auto const same = [&](nvlink_facts const& b) { return b.to == found.to && b.pci == found.pci; };
      auto at = std::ranges::find_if(bundles, same);
      if (at == bundles.end()) at = bundles.insert(at, found);
      ++at->links;
    }
    return bundles;
  }

  void read_slices(nvml::device_handle handle, gpu_facts& gpu, std::vector<nvml::process_info> const& processes) const {
    unsigned current = 0, pending = 0;
    if (call("nvmlDeviceGetMigMode", handle, &current, &pending) != nvml::success || current == 0) return;
    gpu.mig = true;
    for (unsigned i = 0; i < std::min(number("nvmlDeviceGetMaxMigDeviceCount", handle), 64U); ++i) {
      nvml::device_handle slice{};
      if (call("nvmlDeviceGetMigDeviceHandleByIndex", handle, i, &slice) != nvml::success) continue;
      mig_facts found;
      found.uuid = text("nvmlDeviceGetUUID", slice);
      found.name = text("nvmlDeviceGetName", slice);
      found.slice.gpu = gpu.uuid;
      unsigned id = 0;
      if (call("nvmlDeviceGetGpuInstanceId", slice, &id) == nvml::success) {
        found.slice.gpu_instance = static_cast<int>(id);
        found.owners = owners_of(processes, id);
      }
      if (call("nvmlDeviceGetComputeInstanceId", slice, &id) == nvml::success) found.slice.compute_instance = static_cast<int>(id);
      nvml::memory_info memory{};
      call("nvmlDeviceGetMemoryInfo", slice, &memory);
      found.total = bytes{static_cast<std::int64_t>(memory.total)};
      found.free = bytes{static_cast<std::int64_t>(memory.free)};
      nvml::device_attributes attributes{};
      if (call("nvmlDeviceGetAttributes_v2", slice, &attributes) == nvml::success)
        found.slices = static_cast<int>(attributes.compute_slices);
      gpu.slices.push_back(std::move(found));
    }
  }

  gpu_pair_facts read_pair(nvml::device_handle a, nvml::device_handle b) const {
    gpu_pair_facts pair;
    int level = 0;
    if (call("nvmlDeviceGetTopologyCommonAncestor", a, b, &level) == nvml::success)
      pair.nearest = level <= 10   ? path_kind::pix
                     : level <= 20 ? path_kind::pxb
                     : level <= 30 ? path_kind::phb
                     : level <= 40 ? path_kind::node
                                   : path_kind::sys;
    int access = 0;
    if (call("nvmlDeviceGetP2PStatus", a, b, int{nvml::peer_read}, &access) == nvml::success)
      pair.peer_access = access == 0 ? gpu_pair_facts::access::yes : gpu_pair_facts::access::no;
    return pair;
  }

  std::string proc_;
};

}  // namespace detail

/// The GPUs of this machine, or none where there is no driver. Never fails: what cannot be read is left out, and `notes` says so
/// where a user would want to know.
/// @param library  NVML's file; empty looks for libnvidia-ml.so.1
/// @param proc     where programs' names are read
/// Complexity: O(g²) questions for g GPUs, some milliseconds each GPU
inline gpu_machine read_nvml(std::string const& library = {}, std::string const& proc = "/proc") {
  auto opened = detail::open_nvml(library);
  if (!opened) return {};
  return detail::nvml_session(std::move(opened), proc).read();
}

}  // namespace gpuplace::topology
