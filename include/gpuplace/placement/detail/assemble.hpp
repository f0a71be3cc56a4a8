#pragma once
/// @file
/// From partitioned replicas to a plan.

#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/place_options.hpp>
#include <gpuplace/plan/plan.hpp>

#include <cstddef>
#include <span>

namespace gpuplace::detail {

/// The share of a device's free memory that a stage's KV pool gets: in proportion to its demand.
inline bytes grant(bytes left, bytes own_demand, bytes all_demand) {
  if (all_demand.count() == 0) return {};
  auto const share = static_cast<double>(own_demand.count()) / static_cast<double>(all_demand.count());
  return own_demand + bytes{static_cast<std::int64_t>(static_cast<double>(left.count()) * share)};
}

inline replica describe_replica(placed_replica const& placed, model_demand const& demanded, carried_out const& made,
                                device_group const& view, place_options const& options) {
  replica described;
  described.group = placed.serves.group;
  described.adapters = placed.serves.adapters;
  described.micro_batches = static_cast<int>(placed.micro_batches);
  described.stages.reserve(placed.spans.size());
  auto const base = demanded.load.weights_only ? bytes{} : options.memory.base(backend_kind_of(view));
  for (std::size_t i = 0; i < placed.spans.size(); ++i) {
    auto const& span = placed.spans[i];
    auto const at = placed.positions[span.device];
    auto const left = view.capacity(at) - base - made.use[at].placed.total();
    stage& s = described.stages.emplace_back();
    s.device = view[at].id;
    s.units.reserve(span.last - span.first);
    for (auto const& u : std::span(demanded.model.units).subspan(span.first, span.last - span.first)) s.units.push_back(u.name);
    s.weight_bytes = placed.needs[i].weights;
    s.kv_bytes = placed.needs[i].kv;
    s.workspace_bytes = placed.needs[i].workspace;
    s.kv_pool_bytes = grant(left, placed.needs[i].kv, made.use[at].placed.kv);
  }
  return described;
}

/// The plan of a candidate that fits, with every device of the view.
inline plan assemble(carried_out const& carried, workload const& work, device_group const& view, place_options const& options) {
  plan made;
  for (auto const& demanded : work.models) {
    model_plan& p = made.models.emplace_back();
    p.name = demanded.model.name;
    p.role = demanded.role;
    p.source = demanded.model.source;
    p.fingerprint = demanded.model.fingerprint;
    p.type = demanded.model.type;
    p.context = demanded.load.context;
    p.batch = demanded.load.sequences;
    p.how = work.how;
    p.head = demanded.load.head;
    p.tied_embeddings = demanded.model.config.tied_embeddings;
  }
  for (auto const& r : carried.replicas)
    made.models[r.model].replicas.push_back(describe_replica(r, work.models[r.model], carried, view, options));
  made.devices.reserve(view.size());
  for (std::size_t d = 0; d < view.size(); ++d) {
    auto const base =
        carried.use[d].used && !work.models.front().load.weights_only ? options.memory.base(backend_kind_of(view)) : bytes{};
    made.devices.push_back({.id = view[d].id,
                            .name = view[d].name,
                            .uuid = view[d].uuid,
                            .pci = view[d].pci,
                            .physical_index = view[d].physical_index,
                            .capacity_bytes = view.capacity(d),
                            .used_bytes = carried.use[d].placed.total() + base,
                            .extra = {}});
  }
  return made;
}

}  // namespace gpuplace::detail
