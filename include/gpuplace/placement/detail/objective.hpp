#pragma once
/// @file
/// The one number that candidates are compared by.

#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/plan/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace gpuplace::detail {

/// What ranking assumes of speculation: four tokens drafted at a time, each accepted seven times out of ten.
/// Source:     Leviathan, Kalman, Matias, ICML 2023: a round gives (1 - a^(n + 1)) / (1 - a) tokens
inline constexpr double drafted_tokens = 4;
inline constexpr double tokens_of_a_round = 2.7731;

/// How many models each model shares its busiest device with, itself counted.
inline std::vector<std::size_t> models_together(carried_out const& carried, std::size_t models) {
  std::vector<std::vector<bool>> on(carried.use.size());
  for (auto const& r : carried.replicas)
    for (auto const& s : r.spans) {
      auto& here = on[r.positions[s.device]];
      here.resize(models);
      here[r.model] = true;
    }
  std::vector<std::size_t> most(models, 1);
  for (auto const& here : on) {
    auto const count = static_cast<std::size_t>(std::ranges::count(here, true));
    for (std::size_t m = 0; m < here.size(); ++m)
      if (here[m]) most[m] = std::max(most[m], count);
  }
  return most;
}

/// Tokens a second. Of several independent models those of the slowest, each divided by how many share its devices; of a target
/// and its drafter those of all pairs, drafting and verifying in turn.
inline double objective_of(carried_out const& carried, std::vector<model_prediction> const& predicted, workload const& work) {
  if (predicted.size() == 1) return predicted.front().tokens_per_second;
  if (work.how == coupling::speculative && predicted.size() == 2) {
    std::vector<std::size_t> replicas(2);
    for (auto const& r : carried.replicas) ++replicas[r.model];
    auto const round = predicted[0].decode_step.count() + drafted_tokens * predicted[1].decode_step.count();
    auto const pairs = static_cast<double>(std::min(replicas[0], replicas[1]));
    return round > 0 ? pairs * static_cast<double>(work.models.front().load.sequences) * tokens_of_a_round / round : 0;
  }
  auto const together = models_together(carried, predicted.size());
  auto slowest = std::numeric_limits<double>::infinity();
  for (std::size_t m = 0; m < predicted.size(); ++m)
    slowest = std::min(slowest, predicted[m].tokens_per_second / static_cast<double>(together[m]));
  return slowest;
}

}  // namespace gpuplace::detail
