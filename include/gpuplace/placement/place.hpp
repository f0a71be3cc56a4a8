#pragma once
/// @file
/// `place()`: from a view, a workload and two strategies to a plan.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/detail/assemble.hpp>
#include <gpuplace/placement/detail/predict.hpp>
#include <gpuplace/placement/nearest.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/placement/place_options.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// A candidate carried out to its plan, without explanations when it does not fit.
template <partition_strategy P>
result<plan> realise(candidate const& proposal, workload const& work, device_group const& view, P const& partition, place_options const& options) {
  std::vector<placed_replica> replicas;
  std::vector<tied_head> heads;
  for (auto const& m : work.models) heads.push_back(m.load.head);
  if (proposal.models.size() != work.models.size())
    return error{errc::invalid_argument, "the proposal " + proposal.label + " serves " + std::to_string(proposal.models.size()) + " of " +
                 std::to_string(work.models.size()) + " models", "allocation", "an allocation proposes groups for every model of the workload"};
  for (std::size_t m = 0; m < work.models.size(); ++m)
    for (auto const& group : proposal.models[m]) {
      for (auto const& d : group)
        if (!view.find(d.id))
          return error{errc::invalid_argument, "the proposal " + proposal.label + " uses a device outside the view", to_string(d.id),
                       "an allocation takes its groups from the view it is given"};
      GPUPLACE_TRY(auto spans, partition.partition(work.models[m].model.units, group, work.models[m].load));
      GPUPLACE_CHECK(check_spans(spans, work.models[m].model.units.size(), group, partition.name));
      replicas.push_back({.model = m, .group = group, .spans = std::move(spans)});
    }
  GPUPLACE_TRY(auto made, assemble(replicas, heads, work, view, options, proposal.label));
  for (std::size_t m = 0; m < work.models.size(); ++m) made.predicted.push_back(predict(m, replicas, work));
  return made;
}

/// All models' tokens a second: what candidates are compared by.
inline double rate_of(plan const& p) {
  double total = 0;
  for (auto const& m : p.predicted) total += m.tokens_per_second;
  return total;
}

/// The best candidate's plan; its notes name the others.
template <allocation_strategy A, partition_strategy P>
result<plan> best_of(workload const& work, device_group const& view, A const& allocation, P const& partition, place_options const& options) {
  GPUPLACE_TRY(auto const proposals, allocation.propose(work, view));
  std::optional<plan> best;
  std::optional<error> first_failure;
  std::vector<std::string> others;
  std::string best_label;
  for (auto const& proposal : proposals) {
    auto made = realise(proposal, work, view, partition, options);
    if (!made) {
      others.push_back(proposal.label + ": " + made.error().what);
      if (!first_failure) first_failure = std::move(made).error();
      continue;
    }
    auto& loser = best && rate_of(*best) >= rate_of(*made) ? *made : *best;
    if (best) others.push_back((&loser == &*made ? proposal.label : best_label) + ": " + std::to_string(rate_of(loser)) + " tokens/s predicted");
    if (!best || &loser != &*made) {
      best = *std::move(made);
      best_label = proposal.label;
    }
  }
  if (!best)
    return first_failure.value_or(error{errc::does_not_fit, "the allocation proposes nothing", "allocation " + std::string(allocation.name), {}});
  for (auto& line : others) best->notes.push_back("also considered " + std::move(line));
  return *std::move(best);
}

/// Values that make no sense are refused before any strategy sees them.
inline result<void> check_workload(workload const& work) {
  auto const refuse = [](model_demand const& m, std::string what, std::string remedy) {
    return error{errc::invalid_argument, std::move(what), m.model.name.empty() ? "workload" : m.model.name, std::move(remedy)};
  };
  if (work.models.empty()) return error{errc::invalid_argument, "there is no model to place", "workload", "name one with --model"};
  for (auto const& m : work.models) {
    if (m.model.units.empty()) return refuse(m, "the model has no units", "describe it from a config.json or a preset");
    if (m.load.sequences < 1) return refuse(m, std::to_string(m.load.sequences) + " sequences", "--max-num-seqs must be at least 1");
    if (m.load.context < 1) return refuse(m, "a context of " + std::to_string(m.load.context) + " tokens", "--max-model-len must be at least 1");
    auto const most = m.model.config.max_positions;
    if (most > 0 && m.load.context > most)
      return refuse(m, "a context of " + std::to_string(m.load.context) + " tokens, the model has " + std::to_string(most) + " positions",
                    "--max-model-len must be at most " + std::to_string(most));
    constexpr std::int64_t most_sequences = 1 << 20;
    if (m.load.sequences > most_sequences) return refuse(m, std::to_string(m.load.sequences) + " sequences", "--max-num-seqs must be at most 1048576");
  }
  return {};
}

}  // namespace detail

/// Places a workload on a view: asks the allocation for candidates, partitions and prices each, keeps the best.
/// When to use: always; a strategy alone knows neither the memory limits nor the costs.
/// @param view        devices with their limits, in the order in which strategies see them
/// @param work        models with their demand; weights, KV cache and workspace must fit together
/// @param allocation  models allocation_strategy       @param partition  models partition_strategy
/// Errors:     errc::does_not_fit naming the device, what it would need and what would fit instead;
///             errc::invalid_argument for nonsense in the workload or in a strategy's answer
/// Threads:    safe when the strategies' const members are      Complexity: O(candidates x (units + devices)), strategies apart
inline constexpr struct place_function {
  template <allocation_strategy A, partition_strategy P>
  result<plan> operator()(device_group const& view, workload work, A const& allocation, P const& partition,
                          place_options const& options = {}) const {
    GPUPLACE_CHECK(detail::check_workload(work));
    for (auto& m : work.models) m.load.head = m.load.weights_only ? tied_head::shared : tied_head_of(partition);
    auto made = detail::best_of(work, view, allocation, partition, options);
    if (made || made.error().code != errc::does_not_fit || view.empty()) return made;
    auto const nearest = nearest_that_fit(work, view, [&](workload const& w, device_group const& v) {
      return detail::best_of(w, v, allocation, partition, options).has_value();
    });
    error refusal = std::move(made).error();
    if (!nearest.empty()) {
      if (!refusal.remedy.empty()) refusal.remedy += "; or ";
      refusal.remedy += "what would fit, each alone: ";
      for (std::size_t i = 0; i < nearest.size(); ++i) refusal.remedy += (i ? "; " : "") + nearest[i];
    } else if (refusal.remedy.empty()) {
      refusal.remedy = "no shorter context, smaller batch, number format or 64 more such devices alone make it fit this way: try another --partition or --allocation";
    }
    return refusal;
  }
} place;

}  // namespace gpuplace
