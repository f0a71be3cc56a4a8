#pragma once
/// @file
/// What the cost model says of a partitioned workload.

#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/micro_batches.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <vector>

namespace gpuplace::detail {

/// Times of one model: the slowest replica's step with every sequence at its full context, and all replicas' rate together.
/// Chooses each replica's number of micro-batches.
inline model_prediction predict(std::size_t model, std::vector<placed_replica>& replicas, workload const& work) {
  auto const& demanded = work.models[model];
  auto const& units = demanded.model.units;
  auto const context = demanded.load.context;
  model_prediction made{.role = demanded.role};
  for (auto& r : replicas) {
    if (r.model != model) continue;
    auto const decode = best_micro_batches(r.spans, units, r.group, demanded.load.sequences, context, demanded.model.type);
    r.micro_batches = decode.micro_batches;
    made.decode_step = std::max(made.decode_step, decode.time);
    auto const prompt = step_work::prefill(1, static_cast<double>(context));
    made.prefill = std::max(made.prefill, cost_of(r.spans, units, r.group, prompt, demanded.model.type).step());
    if (decode.time.count() > 0) made.tokens_per_second += static_cast<double>(demanded.load.sequences) / decode.time.count();
  }
  return made;
}

}  // namespace gpuplace::detail
