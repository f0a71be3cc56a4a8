#pragma once
/// @file
/// A stored or hand-edited plan against the machine and the models it is to run with.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/placement/stage_memory.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace gpuplace {

namespace detail {

inline error wrong_plan(std::string what, std::string where, std::string remedy) {
  return {errc::invalid_argument, std::move(what), std::move(where), std::move(remedy)};
}

/// A plan made without KV cache and workspace says so by having none.
inline bool weights_only(model_plan const& planned) {
  for (auto const& r : planned.replicas)
    for (auto const& s : r.stages)
      if (s.kv_bytes.count() > 0 || s.workspace_bytes.count() > 0) return false;
  return true;
}

/// The replica's chain as spans over the model's units.
inline result<stages> spans_of(replica const& r, std::vector<unit> const& units, device_group const& view,
                               std::string const& where) {
  stages spans;
  std::size_t next = 0;
  for (auto const& s : r.stages) {
    auto const device = view.find(s.device);
    if (!device)
      return error{errc::not_found, "the plan uses " + to_string(s.device) + ", which is not visible here", where,
                   "make it visible, or plan again on this machine"};
    auto const first = next;
    for (auto const& name : s.units) {
      if (next == units.size() || units[next].name != name)
        return wrong_plan("unit " + name + " stands where " +
                              (next == units.size() ? std::string("the chain is complete") : units[next].name + " is due"),
                          where + ", " + to_string(s.device), "every unit once, in the model's order");
      ++next;
    }
    if (first == next) return wrong_plan("a stage without units", where + ", " + to_string(s.device), "remove the stage");
    spans.push_back({.device = *device, .first = first, .last = next});
  }
  if (next != units.size())
    return wrong_plan(
        "unit " + units[next].name + " and " + std::to_string(units.size() - next - 1) + " after it are placed nowhere", where,
        "every unit once, in the model's order");
  return spans;
}

}  // namespace detail

/// Checks that a plan can be carried out here: the models are those it was made for, its devices are visible, every
/// replica holds every unit once and in order, and each device has room for its stages.
/// @param models  one description for each of the plan's models, in its order
/// Errors:     errc::mismatch for another model, errc::not_found for a device that is not visible,
///             errc::does_not_fit for a device that is too small, errc::invalid_argument for a broken chain
inline result<void> validate(plan const& p, std::vector<model_description> const& models, device_group const& view,
                             memory_profile const& profile = {}) {
  if (models.size() != p.models.size())
    return detail::wrong_plan(
        "the plan places " + std::to_string(p.models.size()) + " models, " + std::to_string(models.size()) + " are given", "plan",
        "give one --model for each of the plan's models, in its order");
  std::map<std::size_t, bytes> used;
  for (std::size_t m = 0; m < models.size(); ++m) {
    auto const& planned = p.models[m];
    if (!planned.fingerprint.empty() && !same_model(planned.fingerprint, models[m].fingerprint))
      return error{errc::mismatch,
                   "the plan was made for another model (" + planned.fingerprint + ", here " + models[m].fingerprint + ")",
                   planned.name, "plan again for " + models[m].source};
    if (planned.replicas.empty())
      return detail::wrong_plan("a model without replicas", planned.name, "give it a replica, or remove the model");
    demand const load{.type = planned.type,
                      .context = planned.context,
                      .sequences = planned.batch,
                      .weights_only = detail::weights_only(planned),
                      .head = planned.head};
    for (std::size_t r = 0; r < planned.replicas.size(); ++r) {
      auto const where = planned.name + ", replica " + std::to_string(r);
      GPUPLACE_TRY(auto const spans, detail::spans_of(planned.replicas[r], models[m].units, view, where));
      auto const needs = memory_of(spans, models[m].units, load, profile);
      for (std::size_t s = 0; s < spans.size(); ++s) used[spans[s].device] += needs[s].total();
    }
  }
  auto const base = profile.base(detail::backend_kind_of(view));
  for (auto const& [d, need] : used)
    if (need + base > view.capacity(d))
      return error{errc::does_not_fit, "the plan needs " + to_string(need + base) + ", there are " + to_string(view.capacity(d)),
                   to_string(view[d].id), "plan again on this machine, or free memory there"};
  return {};
}

}  // namespace gpuplace
