#include "device_use.hpp"

#include <gpuplace/core/quantity_text.hpp>

#include <fmt/core.h>

#include <algorithm>

namespace gpuplace::cli {

namespace {

constexpr double busy_enough = 0.8;
constexpr std::size_t fewest_readings = 3;  // of less nothing can be said

// What the replicas on one device did, taken together.
struct device_time {
  double at_work = 0, done_early = 1;
  std::size_t devices = 0;  // of the replica that has most
};

device_time time_of(device_id const& id, std::vector<replica_time> const& replicas) {
  device_time all;
  for (auto const& r : replicas) {
    if (std::ranges::find(r.devices, id) == r.devices.end()) continue;
    all.at_work = std::min(1.0, all.at_work + r.at_work);
    all.done_early = std::min(all.done_early, r.done_early);
    all.devices = std::max(all.devices, r.devices.size());
  }
  return all;
}

// The largest part of the time in which the device did not compute, in words.
std::string waited_for(double busy, device_time const& time) {
  auto const between = std::max(0.0, 1 - time.at_work - time.done_early);
  auto const within = std::max(0.0, time.at_work - busy);
  if (time.done_early >= std::max(between, within))
    return fmt::format(
        "its prompts were answered when {:.0f} % of the time were left: --routing least_loaded hands them out as they "
        "are answered",
        100 * time.done_early);
  if (between > within) return "it waited between steps, while the host read, routed and wrote prompts";
  if (time.devices > 1)
    return fmt::format("the {} devices of its replica take turns: data_parallel keeps all at work where the model fits one",
                       time.devices);
  return "it waited within steps for the host, which starts prompts' kernels and draws samples: longer batches (--batch) and "
         "greedy "
         "answers (--temperature 0) need less of it";
}

}  // namespace

void device_use::add(topology::gpu_reading const& seen) {
  ++readings_;
  last_ = seen;
  most_used_ = std::max(most_used_, seen.used);
  if (!seen.busy) return;
  ++told_;
  busy_ += *seen.busy;
}

std::optional<double> device_use::busy() const {
  if (told_ == 0) return std::nullopt;
  return busy_ / static_cast<double>(told_);
}

std::string device_use::now() const {
  if (readings_ == 0) return {};
  auto const busy = last_.busy ? fmt::format(" {:.0f} %", 100 * *last_.busy) : std::string();
  return to_string(id_) + busy + ' ' + to_string(last_.used);
}

std::string devices_text(std::vector<device_use> const& uses, std::vector<replica_time> const& replicas) {
  std::string text;
  for (auto const& use : uses) {
    if (use.readings() == 0) continue;
    text += "  " + to_string(use.id()) + ":";
    if (use.busy()) text += fmt::format(" busy {:.0f} % of the time,", 100 * *use.busy());
    text += fmt::format(" at most {} of {} in use", to_string(use.most_used()), to_string(use.total()));
    if (use.busy() && *use.busy() < busy_enough && use.readings() >= fewest_readings)
      text += "; " + waited_for(*use.busy(), time_of(use.id(), replicas));
    text += "\n";
  }
  return text.empty() ? text : "Devices:\n" + text;
}

}  // namespace gpuplace::cli
