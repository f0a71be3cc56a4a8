#pragma once
/// @file
/// What the cost model says of a partitioned workload.

#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/micro_batches.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace gpuplace::detail {

/// What one replica is predicted to do.
struct replica_times {
  pipelined_step decode;
  seconds prefill{0};
};

inline replica_times times_of(placed_replica const& r, model_demand const& demanded) {
  auto const& units = demanded.model.units;
  auto const& load = demanded.load;
  auto const prompt = step_work::prefill(1, static_cast<double>(load.context));
  return {best_micro_batches(r.spans, units, r.group, load.sequences, load.context, demanded.model.type),
          cost_of(r.spans, units, r.group, prompt, demanded.model.type).step()};
}

/// Times of one model: the slowest replica's step with every sequence at its full context, and all replicas' rate together.
/// Chooses each replica's number of micro-batches; replicas that are alike are looked at once.
inline model_prediction predict(std::size_t model, std::vector<placed_replica>& replicas, workload const& work) {
  auto const& demanded = work.models[model];
  model_prediction made{.role = demanded.role};
  std::unordered_map<std::size_t, replica_times> known;
  for (auto& r : replicas) {
    if (r.model != model) continue;
    auto const [at, is_new] = known.try_emplace(r.like);
    if (is_new) at->second = times_of(r, demanded);
    auto const& [decode, prefill] = at->second;
    r.micro_batches = decode.micro_batches;
    made.decode_step = std::max(made.decode_step, decode.time);
    made.prefill = std::max(made.prefill, prefill);
    if (decode.time.count() > 0) made.tokens_per_second += static_cast<double>(demanded.load.sequences) / decode.time.count();
  }
  return made;
}

}  // namespace gpuplace::detail
