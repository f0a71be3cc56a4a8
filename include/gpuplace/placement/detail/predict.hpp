#pragma once
/// @file
/// What the cost model says of a partitioned workload.

#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/replica_cost.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <vector>

namespace gpuplace::detail {

/// Times of one model: the slowest replica's step with every sequence at its full context, and all replicas' rate together.
inline model_prediction predict(std::size_t model, std::vector<placed_replica> const& replicas, workload const& work) {
  auto const& demanded = work.models[model];
  auto const sequences = static_cast<double>(demanded.load.sequences);
  auto const context = static_cast<double>(demanded.load.context);
  model_prediction made{.role = demanded.role};
  for (auto const& r : replicas) {
    if (r.model != model) continue;
    auto const step_of = [&](step_work const& w) {
      return cost_of(r.spans, demanded.model.units, r.group, w, demanded.model.type).step();
    };
    auto const decode = step_of(step_work::decode(sequences, context));
    made.decode_step = std::max(made.decode_step, decode);
    made.prefill = std::max(made.prefill, step_of(step_work::prefill(1, context)));
    if (decode.count() > 0) made.tokens_per_second += sequences / decode.count();
  }
  return made;
}

}  // namespace gpuplace::detail
