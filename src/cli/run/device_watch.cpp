#include "device_watch.hpp"

#include <algorithm>
#include <utility>

namespace gpuplace::cli {

namespace {

constexpr std::size_t most_shown = 8;

}  // namespace

device_watch::device_watch(std::vector<device_id> const& devices, reader read, std::chrono::milliseconds period)
    : read_(std::move(read)), uses_(devices.begin(), devices.end()) {
  if (!uses_.empty()) thread_ = std::thread([this, period] { watch(period); });
}

void device_watch::watch(std::chrono::milliseconds period) {
  for (std::unique_lock lock(guard_); !ended_.wait_for(lock, period, [this] { return over_; });)
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      lock.unlock();  // a driver may take its time
      auto const seen = read_(i);
      lock.lock();
      if (seen) uses_[i].add(*seen);
    }
}

std::string device_watch::now() const {
  std::scoped_lock const lock(guard_);
  std::string text;
  if (uses_.size() > most_shown) return text;
  for (auto const& use : uses_)
    if (auto const words = use.now(); !words.empty()) text += (text.empty() ? "" : "  ") + words;
  return text;
}

std::vector<device_use> device_watch::stop() {
  {
    std::scoped_lock const lock(guard_);
    over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
  return uses_;
}

std::vector<planned_device> gpus_of(plan const& whole, model_plan const& model) {
  std::vector<planned_device> gpus;
  for (auto const& d : whole.devices) {
    auto const carries = [&](replica const& r) { return std::ranges::find(r.stages, d.id, &stage::device) != r.stages.end(); };
    if (d.id.kind == device_kind::cuda && d.id.host.empty() && std::ranges::any_of(model.replicas, carries)) gpus.push_back(d);
  }
  return gpus;
}

std::unique_ptr<device_watch> watch_gpus(std::vector<planned_device> gpus) {
  if (gpus.empty()) return nullptr;
  auto const gauge = topology::gpu_gauge::open();
  if (!gauge) return nullptr;
  std::vector<device_id> ids;
  for (auto const& d : gpus) ids.push_back(d.id);
  return std::make_unique<device_watch>(
      ids, [gauge, gpus = std::move(gpus)](std::size_t i) { return gauge->read(gpus[i].uuid, gpus[i].pci); });
}

}  // namespace gpuplace::cli
