#pragma once
/// @file
/// What an executor reserves when it carries out a replica of a plan.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/kv_pages.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>

namespace gpuplace {

/// Slots, context and step as the plan was made for; as many pages as the narrowest stage's KV pool holds beside what layers
/// with a sliding window remember, but no more than its slots can use. Where the plan grants no pool (--weights-only), pages
/// for every slot's whole context.
/// Errors:     errc::invalid_argument for a plan without batch or context, errc::does_not_fit for a pool below one page
inline result<executor_limits> limits_of(model_plan const& model, replica const& placed, model_description const& description) {
  if (model.batch < 1 || model.context < 2)
    return error{errc::invalid_argument,
                 "a batch of " + std::to_string(model.batch) + " and a context of " + std::to_string(model.context) +
                     " tokens leave nothing to run",
                 model.name, "plan with --batch of at least 1 and --context of at least 2"};
  demand const load{.type = model.type, .context = model.context, .sequences = model.batch};
  executor_limits limits{
      .slots = model.batch, .page_tokens = load.kv_page, .step_tokens = load.max_step_tokens(), .context = model.context};
  limits.kv_pages = limits.slots * pages_for(limits.context, limits.page_tokens);
  std::unordered_map<std::string_view, unit const*> units;
  for (auto const& u : description.units) units.emplace(u.name, &u);
  for (auto const& s : placed.stages) {
    std::int64_t each = 0;   // bytes of one token in the layers that remember all of them
    std::int64_t rings = 0;  // of the layers that remember a window, for every slot
    for (auto const& name : s.units) {
      auto const known = units.find(name);
      if (known == units.end()) continue;
      if (known->second->kv_window > 0) rings += kv_bytes(*known->second, load).count();
      else each += known->second->kv_bytes_per_token.count();
    }
    if (each == 0 || s.kv_pool_bytes.count() == 0) continue;
    auto const pages = (s.kv_pool_bytes.count() - rings) / (each * limits.page_tokens);
    if (pages < 1)
      return error{errc::does_not_fit, "the KV pool holds less than one page of " + std::to_string(limits.page_tokens) + " tokens",
                   to_string(s.device), "plan with more memory for it"};
    limits.kv_pages = std::min(limits.kv_pages, pages);
  }
  return limits;
}

}  // namespace gpuplace
