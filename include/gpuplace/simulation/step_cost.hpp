#pragma once
/// @file
/// How long a batch takes on one replica of a plan, by placement's cost model.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/placement/cost_model.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// The work that a batch is, counted over its rows.
inline step_work work_of(batch const& b) {
  step_work work;
  for (auto const& row : b.rows) {
    auto const count = static_cast<double>(row.tokens.size());
    auto const before = static_cast<double>(row.start);
    work.tokens += count;
    work.sampled += row.samples;
    work.cached += before + count;
    work.attended += count * before + count * (count + 1) / 2;
  }
  return work;
}

/// The stages of one replica with the devices they run on: `plan` resolved against a model and a view.
class step_cost {
public:
  /// Errors:     errc::mismatch for a unit that the model has not or out of its order, errc::not_found for a device
  ///             that is not in the view
  static result<step_cost> make(replica const& placed, model_description const& model, device_group const& devices) {
    step_cost cost(model.type);
    std::size_t next = 0;
    for (auto const& s : placed.stages) {
      auto const at = devices.find(s.device);
      if (!at)
        return error{errc::not_found, "the plan needs " + to_string(s.device), to_string(s.device),
                     "plan again for the devices that are there"};
      if (!cost.stages_.empty()) cost.stages_.back().to_next = devices.path(cost.stages_.back().position, *at);
      auto const first = next;
      for (auto const& name : s.units)
        if (next == model.units.size() || model.units[next++].name != name)
          return error{errc::mismatch, "the plan has " + name + " where " + model.name + " has another unit", to_string(s.device),
                       "plan again for this model"};
      cost.stages_.push_back(
          {{model.units.begin() + static_cast<std::ptrdiff_t>(first), model.units.begin() + static_cast<std::ptrdiff_t>(next)},
           devices[*at],
           *at,
           {}});
    }
    if (next != model.units.size() || cost.stages_.empty())
      return error{errc::mismatch, "the plan ends before " + (model.units.empty() ? model.name : model.units[next].name),
                   model.name, "plan again for this model"};
    return cost;
  }

  seconds operator()(batch const& b) const {
    auto const work = work_of(b);
    seconds total{0};
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      total += stage_time(stages_[i].units, stages_[i].on, work, type_);
      if (i + 1 < stages_.size()) total += hop_time(stages_[i].units.back(), stages_[i].to_next, work);
    }
    return total;
  }

private:
  struct stage_on_device {
    std::vector<unit> units;
    device on;
    std::size_t position;
    path to_next;
  };
  explicit step_cost(dtype type) : type_(type) {}

  std::vector<stage_on_device> stages_;
  dtype type_;
};

}  // namespace gpuplace
