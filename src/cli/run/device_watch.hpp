#pragma once
// Reads the GPUs of a run every now and then, on a thread of its own.

#include "device_use.hpp"

#include <gpuplace/plan/plan.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gpuplace::cli {

class device_watch {
public:
  // A reading of the device at a place in the list; none where it does not answer.
  using reader = std::function<std::optional<topology::gpu_reading>(std::size_t)>;

  // Watches nothing where `devices` is empty.
  device_watch(std::vector<device_id> const& devices, reader read,
               std::chrono::milliseconds period = std::chrono::milliseconds(500));
  device_watch(device_watch const&) = delete;
  ~device_watch() { stop(); }

  // The last readings on one line: "cuda:0 87 % 15.2 GiB  cuda:1 …".
  std::string now() const;
  // Ends the thread.
  std::vector<device_use> stop();

private:
  void watch(std::chrono::milliseconds period);

  reader read_;
  mutable std::mutex guard_;
  std::condition_variable ended_;
  bool over_ = false;
  std::vector<device_use> uses_;
  std::thread thread_;
};

// The GPUs of this host that `model`'s replicas are on.
std::vector<planned_device> gpus_of(plan const& whole, model_plan const& model);

// Reads them through NVML; none where there is no driver, or no GPU among them.
std::unique_ptr<device_watch> watch_gpus(std::vector<planned_device> gpus);

}  // namespace gpuplace::cli
