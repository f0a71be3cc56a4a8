#include "executor_plan.hpp"

#include <gpuplace/model/demand.hpp>
#include <gpuplace/runtime/kv_pages.hpp>

#include <algorithm>
#include <string>

namespace gpuplace::torch_detail {
namespace {

bool is_layer(std::string const& unit) { return unit.starts_with("model.layers."); }

/// Pages that each slot has in layers that keep a window alone; 0 where no layer slides, or the window shows all anyway.
std::int64_t find_ring_pages(executor_limits const& limits, model_config const& config) {
  auto const kept = remembered_tokens(config.sliding_window, limits.context, limits.step_tokens);
  return kept < limits.context ? pages_for(kept, limits.page_tokens) : 0;
}

}  // namespace

/// The stages must hold the model's units, all of them and in order.
result<void> check_chain(replica const& placed, model_description const& model) {
  std::size_t next = 0;
  for (auto const& s : placed.stages) {
    for (auto const& name : s.units) {
      if (next == model.units.size() || model.units[next].name != name)
        return error{errc::invalid_argument,
                     "unit '" + name + "' stands where " +
                         (next < model.units.size() ? "'" + model.units[next].name + "'" : std::string("no unit")) + " belongs",
                     "stage on " + to_string(s.device), "the stages must hold the model's units in order; plan again"};
      ++next;
    }
    if (s.device.kind != placed.stages.front().device.kind)
      return error{errc::unsupported, "a replica on both CPU and GPU cannot be run yet", "stage on " + to_string(s.device),
                   "plan each replica for one kind of device"};
    if (s.tensor_parallel > 1)
      return error{errc::unsupported, "a stage that is split over devices cannot be run yet", "stage on " + to_string(s.device),
                   "plan with tensor_parallel 1"};
  }
  if (next < model.units.size())
    return error{errc::invalid_argument, "unit '" + model.units[next].name + "' is on no device", "the plan's stages",
                 "the stages must hold all units of the model; plan again"};
  return {};
}

/// What fits the grant of every stage, but no more pages than all sequences can fill.
result<cache_limits> find_limits(model_plan const& planned, replica const& placed, model_config const& config,
                                 std::int64_t page_tokens, std::int64_t step_tokens) {
  demand const load{.context = planned.context, .sequences = planned.batch, .step_tokens = step_tokens};
  if (planned.batch < 1 || planned.context < 1)
    return error{errc::invalid_argument,
                 "the plan has no room for a sequence: batch " + std::to_string(planned.batch) + ", context " +
                     std::to_string(planned.context),
                 "torch backend", "plan with --batch and --context of at least 1"};
  executor_limits limits{
      .slots = planned.batch, .page_tokens = page_tokens, .step_tokens = load.max_step_tokens(), .context = planned.context};
  limits.kv_pages = limits.slots * pages_for(limits.context, limits.page_tokens);
  auto const page = stored_bytes(2 * config.kv_heads * config.head_dim * limits.page_tokens, planned.type);
  auto const ring_pages = find_ring_pages(limits, config);
  std::int64_t layer = 0;
  for (auto const& s : placed.stages) {
    std::int64_t whole = 0, rings = 0;
    for (auto const& unit : s.units)
      if (is_layer(unit)) ++(ring_pages > 0 && config.slides(layer++) ? rings : whole);
    auto const left = s.kv_pool_bytes - page * (rings * limits.slots * ring_pages);
    if (left < bytes{}) limits.kv_pages = 0;
    if (whole > 0) limits.kv_pages = std::min(limits.kv_pages, left / (page * whole));
  }
  if (limits.kv_pages < 1)
    return error{errc::does_not_fit, "the plan grants too little memory for the KV cache", "torch backend",
                 "plan without --weights-only, or with a smaller --batch"};
  limits.context = std::min(limits.context, limits.kv_pages * limits.page_tokens);
  return cache_limits{limits, ring_pages};
}

}  // namespace gpuplace::torch_detail
