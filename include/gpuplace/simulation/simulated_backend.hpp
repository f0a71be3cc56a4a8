#pragma once
/// @file
/// A backend that starts replicas on a virtual clock: the plan's times and a scheduler's decisions, without a device.

#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/runtime/limits_of_plan.hpp>
#include <gpuplace/simulation/simulated_executor.hpp>
#include <gpuplace/simulation/step_cost.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// Steps take what the cost model says, tokens come from a hash, and everything else, from scheduler to routing, is what
/// runs on real devices. Copies share the clock and the devices that were lost.
/// Threads:    start and lose from any thread; use the instances, and destroy them, on the clock's loop or while it stands
class simulated_backend {
public:
  using instance = step_instance<simulated_executor>;
  static constexpr std::string_view name = "simulated";
  static constexpr backend_level level = backend_level::survives_failure;

  explicit simulated_backend(virtual_clock clock) : clock_(std::move(clock)), lost_(std::make_shared<lost_devices>()) {}

  memory_profile memory() const { return {}; }
  virtual_clock const& clock() const { return clock_; }
  clock_function time() const { return clock_.function(); }

  /// From now on every step that needs `device` fails with errc::device_lost.
  void lose(device_id device) const {
    std::lock_guard const hold(lost_->mutex);
    lost_->devices.push_back(std::move(device));
  }

  /// Errors:     errc::not_found for a model or replica that the plan has not, or a device that the view has not;
  ///             errc::device_lost; as limits_of and step_cost::make
  result<instance> start(replica_start const& what) const {
    if (what.model >= what.whole->models.size() || what.replica >= what.whole->models[what.model].replicas.size())
      return error{errc::not_found,
                   "the plan has no replica " + std::to_string(what.replica) + " of model " + std::to_string(what.model),
                   "plan",
                   {}};
    auto const& model = what.whole->models[what.model];
    auto const& placed = model.replicas[what.replica];
    GPUPLACE_TRY(auto cost, step_cost::make(placed, what.description, what.devices));
    GPUPLACE_TRY(auto const limits, limits_of(model, placed, what.description));
    std::vector<device_id> used;
    for (auto const& s : placed.stages) used.push_back(s.device);
    auto fault = [lost = lost_, used = std::move(used)] { return lost->among(used); };
    if (auto already = fault()) return *std::move(already);
    auto const vocabulary = what.description.config.vocabulary;
    return instance(simulated_executor(clock_, limits, std::move(cost),
                                       static_cast<token_id>(std::max<std::int64_t>(vocabulary, 2)), std::move(fault)),
                    clock_.function());
  }

private:
  struct lost_devices {
    std::mutex mutex;
    std::vector<device_id> devices;

    std::optional<error> among(std::vector<device_id> const& used) {
      std::lock_guard const hold(mutex);
      for (auto const& d : devices)
        if (std::find(used.begin(), used.end(), d) != used.end())
          return error{errc::device_lost, "the device is lost", to_string(d), "plan again without it"};
      return std::nullopt;
    }
  };

  virtual_clock clock_;
  std::shared_ptr<lost_devices> lost_;
};
static_assert(check_execution_backend<simulated_backend>());

}  // namespace gpuplace
