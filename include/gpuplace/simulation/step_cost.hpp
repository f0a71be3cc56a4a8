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
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// The work that some rows of a batch are.
inline step_work work_of(std::span<batch_row const> rows) {
  step_work work;
  for (auto const& row : rows) {
    auto const count = static_cast<double>(row.tokens.size());
    auto const before = static_cast<double>(row.start);
    work.tokens += count;
    work.sampled += row.samples;
    work.cached += before + count;
    work.attended += count * before + count * (count + 1) / 2;
  }
  return work;
}
inline step_work work_of(batch const& b) { return work_of(std::span<batch_row const>(b.rows)); }

/// The stages of one replica with the devices they run on: `plan` resolved against a model and a view.
class step_cost {
public:
  /// Errors:     errc::mismatch for a unit that the model has not or out of its order, errc::not_found for a device
  ///             that is not in the view
  static result<step_cost> make(replica const& placed, model_description const& model, device_group const& devices) {
    step_cost cost(model.type, placed.micro_batches);
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

  /// The time of a batch in a row of such batches: its micro-batches follow each other, the busiest device serves each in turn,
  /// and none is faster than its own way through all stages.
  seconds operator()(batch const& b) const {
    std::span<batch_row const> const rows(b.rows);
    auto const count = std::clamp<std::size_t>(rows.size(), 1, micro_batches_);
    seconds longest{0};
    std::map<std::size_t, seconds> busy;
    for (std::size_t m = 0; m < count; ++m) {
      auto const first = rows.size() * m / count;
      longest = std::max(longest, pass(work_of(rows.subspan(first, rows.size() * (m + 1) / count - first)), busy));
    }
    for (auto const& [device, time] : busy) longest = std::max(longest, time);
    return longest;
  }

private:
  struct stage_on_device {
    std::vector<unit> units;
    device on;
    std::size_t position;
    path to_next;
  };
  step_cost(dtype type, int micro_batches) : type_(type), micro_batches_(static_cast<std::size_t>(std::max(1, micro_batches))) {}

  /// One way through all stages; adds what each device spends in it.
  seconds pass(step_work const& work, std::map<std::size_t, seconds>& busy) const {
    seconds total{0};
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      auto const time = stage_time(stages_[i].units, stages_[i].on, work, type_);
      busy[stages_[i].position] += time;
      total += time;
      if (i + 1 < stages_.size()) total += hop_time(stages_[i].units.back(), stages_[i].to_next, work);
    }
    return total;
  }

  std::vector<stage_on_device> stages_;
  dtype type_;
  std::size_t micro_batches_;
};

}  // namespace gpuplace
