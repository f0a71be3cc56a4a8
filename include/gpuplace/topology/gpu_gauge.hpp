#pragma once
/// @file
/// How busy GPUs are, and how much of their memory is taken, while a program runs.

#include <gpuplace/core/units.hpp>
#include <gpuplace/topology/nvml.hpp>
#include <memory>
#include <optional>
#include <string>

namespace gpuplace::topology {

/// One look at a GPU.
struct gpu_reading {
  std::optional<double> busy{};  ///< part of the time, 0 to 1, in which a kernel ran; MIG slices do not tell
  bytes used{}, total{};         ///< of its memory, by all processes

  friend bool operator==(gpu_reading const&, gpu_reading const&) = default;
};

/// Reads GPUs again and again through NVML, which stays open meanwhile.
/// Threads:    safe: NVML's functions are
class gpu_gauge {
public:
  /// None where there is no driver.
  /// @param library  NVML's file; empty looks for libnvidia-ml.so.1
  static std::optional<gpu_gauge> open(std::string const& library = {}) {
    auto opened = detail::open_nvml(library);
    if (!opened) return std::nullopt;
    gpu_gauge made(std::make_shared<detail::nvml_conversation>(std::move(opened)));
    if (made.nvml_->started() != nvml::success) return std::nullopt;
    return made;
  }

  /// The GPU with this UUID, else with this PCI id; none where neither is known or it does not answer.
  /// Source:     NVML: utilisation is over the driver's last sample period, a sixth of a second to one second
  std::optional<gpu_reading> read(std::string const& uuid, std::string const& pci) const {
    nvml::device_handle handle{};
    if (uuid.empty() || nvml_->call("nvmlDeviceGetHandleByUUID", uuid.c_str(), &handle) != nvml::success)
      if (pci.empty() || nvml_->call("nvmlDeviceGetHandleByPciBusId_v2", pci.c_str(), &handle) != nvml::success)
        return std::nullopt;
    nvml::memory_info memory{};
    if (nvml_->call("nvmlDeviceGetMemoryInfo", handle, &memory) != nvml::success) return std::nullopt;
    gpu_reading seen;
    seen.used = bytes{static_cast<std::int64_t>(memory.used)};
    seen.total = bytes{static_cast<std::int64_t>(memory.total)};
    nvml::utilization rates{};
    if (nvml_->call("nvmlDeviceGetUtilizationRates", handle, &rates) == nvml::success) seen.busy = rates.gpu / 100.0;
    return seen;
  }

private:
  explicit gpu_gauge(std::shared_ptr<detail::nvml_conversation> nvml) : nvml_(std::move(nvml)) {}

  std::shared_ptr<detail::nvml_conversation> nvml_;
};

}  // namespace gpuplace::topology
