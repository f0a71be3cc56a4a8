#pragma once
/// @file
/// Why a plan is as it is: room on each device, time in each stage and hop, and what bounds it.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/replica_cost.hpp>
#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace gpuplace {

namespace detail {

inline std::string in_microseconds(seconds t) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.1f us", microseconds(t).count());
  return text.data();
}

inline std::string explain_replica(replica const& r, stages const& spans, model_description const& model, model_plan const& planned,
                                   device_group const& view) {
  auto const work = step_work::decode(static_cast<double>(planned.batch), static_cast<double>(planned.context));
  auto const cost = cost_of(spans, model.units, view, work, planned.type);
  auto const slowest = static_cast<std::size_t>(std::ranges::max_element(cost.stages) - cost.stages.begin());
  std::string text;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    text += "    " + to_string(r.stages[s].device) + ": " + in_microseconds(cost.stages[s]) +
            (spans.size() > 1 && s == slowest ? " (slowest stage)" : "");
    if (s < cost.hops.size())
      text += ", then " + view.path(spans[s].device, spans[s + 1].device).label() + " to " + to_string(r.stages[s + 1].device) +
              ": " + in_microseconds(cost.hops[s]);
    text += "\n";
  }
  return text;
}

}  // namespace detail

/// The explanation of a plan, in lines for people.
/// @param models  one description for each of the plan's models, in its order
/// Errors:     those of validate() for a plan of another machine or model
inline result<std::string> explain(plan const& p, std::vector<model_description> const& models, device_group const& view) {
  GPUPLACE_CHECK(validate(p, models, view));
  std::string text;
  for (std::size_t m = 0; m < models.size(); ++m) {
    auto const& planned = p.models[m];
    text += planned.role + " " + planned.name + ": one decode step of " + std::to_string(planned.batch) + " x " +
            std::to_string(planned.context) + " tokens\n";
    auto const& r = planned.replicas.front();
    GPUPLACE_TRY(auto const spans, detail::spans_of(r, models[m].units, view, planned.name));
    text += detail::explain_replica(r, spans, models[m], planned, view);
  }
  planned_device const* tightest = nullptr;
  text += "room left\n";
  for (auto const& d : p.devices) {
    auto const room = d.capacity_bytes - d.used_bytes;
    text += "    " + to_string(d.id) + ": " + to_string(room) + " of " + to_string(d.capacity_bytes) +
            (d.used_bytes.count() == 0 ? " (idle)" : "") + "\n";
    if (d.used_bytes.count() > 0 && (!tightest || room < tightest->capacity_bytes - tightest->used_bytes)) tightest = &d;
  }
  if (tightest) text += "memory binds first on " + to_string(tightest->id) + "\n";
  for (auto const& note : p.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace gpuplace
