#pragma once
/// @file
/// From a candidate and its partitions to a plan, or to the reason why it does not fit.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/place_options.hpp>
#include <gpuplace/placement/stage_memory.hpp>
#include <gpuplace/plan/plan.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gpuplace::detail {

/// The partition of one replica, over its own group.
struct placed_replica {
  std::size_t model = 0;
  device_group group;
  stages spans;
};

/// What is placed on one device of the view so far.
struct device_use {
  bool used = false;
  stage_memory placed;
};

/// Every unit once, in order, on a device of the group: a user's own strategy may get this wrong.
inline result<void> check_spans(stages const& spans, std::size_t units, device_group const& group, std::string_view strategy) {
  auto const refuse = [&](std::string what) {
    return error{errc::invalid_argument, "the partition's answer is wrong: " + std::move(what), "partition " + std::string(strategy),
                 "a partition returns spans that cover all units once, in their order, on devices of the group"};
  };
  std::size_t next = 0;
  for (auto const& s : spans) {
    if (s.device >= group.size()) return refuse("device " + std::to_string(s.device) + " of a group of " + std::to_string(group.size()));
    if (s.first != next || s.last <= s.first)
      return refuse("a span [" + std::to_string(s.first) + ", " + std::to_string(s.last) + ") where unit " + std::to_string(next) + " comes next");
    next = s.last;
  }
  if (next != units) return refuse(std::to_string(units - next) + " of " + std::to_string(units) + " units are placed nowhere");
  return {};
}

/// The words for a device that is asked for more than it has.
inline error overfull(device const& on, stage_memory const& placed, bytes base, bytes limit, workload const& work, std::string_view label) {
  auto const need = placed.total() + base;
  std::string names;
  for (auto const& m : work.models) names += (names.empty() ? "" : " and ") + m.model.name;
  auto const& load = work.models.front().load;
  std::string what = names + " under " + std::string(label) + " needs " + to_string(need) + " there, the limit is " + to_string(limit) + ": " +
                     to_string(placed.weights) + " weights";
  if (!load.weights_only)
    what += ", " + to_string(placed.kv) + " KV cache (" + std::to_string(load.sequences) + (load.sequences == 1 ? " sequence" : " sequences") + " of " +
            std::to_string(load.context) + " tokens), " + to_string(placed.workspace + base) + " workspace";
  return {errc::does_not_fit, std::move(what), to_string(on.id), {}};
}

/// The memory use of every device of the view, or the device that is asked for too much.
/// Complexity: O(stages + devices)
inline result<std::vector<device_use>> use_of(std::vector<placed_replica> const& replicas, workload const& work, device_group const& view,
                                              place_options const& options, std::string_view label) {
  std::vector<device_use> use(view.size());
  bool const whole_system = !work.models.front().load.weights_only;
  for (auto const& r : replicas) {
    auto const& demanded = work.models[r.model];
    auto const needs = memory_of(r.spans, demanded.model.units, demanded.load, options.memory);
    for (std::size_t s = 0; s < needs.size(); ++s) {
      auto& on = use[*view.find(r.group[r.spans[s].device].id)];
      on.used = true;
      on.placed.weights += needs[s].weights;
      on.placed.kv += needs[s].kv;
      on.placed.workspace += needs[s].workspace;
    }
  }
  for (std::size_t d = 0; d < view.size(); ++d) {
    auto const base = whole_system ? options.memory.base() : bytes{};
    if (use[d].used && use[d].placed.total() + base > view.capacity(d))
      return overfull(view[d], use[d].placed, base, view.capacity(d), work, label);
  }
  return use;
}

/// The share of a device's free memory that a stage's KV pool gets: in proportion to its demand.
inline bytes grant(bytes left, bytes own_demand, bytes all_demand) {
  if (all_demand.count() == 0) return {};
  auto const share = static_cast<double>(own_demand.count()) / static_cast<double>(all_demand.count());
  return own_demand + bytes{static_cast<std::int64_t>(static_cast<double>(left.count()) * share)};
}

inline replica describe_replica(placed_replica const& placed, model_demand const& demanded, device_group const& view,
                                std::vector<device_use> const& use, place_options const& options) {
  replica made;
  auto const& units = demanded.model.units;
  auto const needs = memory_of(placed.spans, units, demanded.load, options.memory);
  auto const base = demanded.load.weights_only ? bytes{} : options.memory.base();
  for (std::size_t i = 0; i < placed.spans.size(); ++i) {
    auto const& span = placed.spans[i];
    auto const at = *view.find(placed.group[span.device].id);
    auto const left = view.capacity(at) - base - use[at].placed.total();
    stage& s = made.stages.emplace_back();
    s.device = view[at].id;
    for (auto const& u : std::span(units).subspan(span.first, span.last - span.first)) s.units.push_back(u.name);
    s.weight_bytes = needs[i].weights;
    s.kv_bytes = needs[i].kv;
    s.workspace_bytes = needs[i].workspace;
    s.kv_pool_bytes = grant(left, needs[i].kv, use[at].placed.kv);
  }
  return made;
}

/// The plan of a candidate whose replicas are all partitioned.
/// Errors:     errc::does_not_fit naming the first device that is asked for too much
inline result<plan> assemble(std::vector<placed_replica> const& replicas, std::vector<tied_head> const& heads, workload const& work,
                             device_group const& view, place_options const& options, std::string_view label) {
  GPUPLACE_TRY(auto const use, use_of(replicas, work, view, options, label));
  plan made;
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    auto const& demanded = work.models[m];
    model_plan& p = made.models.emplace_back();
    p.name = demanded.model.name;
    p.role = demanded.role;
    p.source = demanded.model.source;
    p.fingerprint = demanded.model.fingerprint;
    p.type = demanded.model.type;
    p.context = demanded.load.context;
    p.batch = demanded.load.sequences;
    p.how = work.how;
    p.head = heads[m];
    p.tied_embeddings = demanded.model.config.tied_embeddings;
  }
  for (auto const& r : replicas) made.models[r.model].replicas.push_back(describe_replica(r, work.models[r.model], view, use, options));
  for (std::size_t d = 0; d < view.size(); ++d) {
    auto const base = use[d].used && !work.models.front().load.weights_only ? options.memory.base() : bytes{};
    made.devices.push_back({.id = view[d].id, .name = view[d].name, .uuid = view[d].uuid, .pci = view[d].pci,
                            .physical_index = view[d].physical_index, .capacity_bytes = view.capacity(d),
                            .used_bytes = use[d].placed.total() + base, .extra = {}});
  }
  return made;
}

}  // namespace gpuplace::detail
