#pragma once
/// @file
/// What each stage of a partition takes of its device.

#include <gpuplace/model/demand.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/plan/memory_profile.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace gpuplace {

/// Weights, KV demand and workspace of one stage.
struct stage_memory {
  bytes weights;
  bytes kv;
  bytes workspace;

  constexpr bytes total() const { return weights + kv + workspace; }
  friend bool operator==(stage_memory const&, stage_memory const&) = default;
};

/// What one span of units takes.
/// @param embedding_here  the embedding is on the same device: a tied head then needs no weight of its own
inline stage_memory memory_of(std::span<unit const> units, demand const& load, memory_profile const& profile, bool embedding_here) {
  stage_memory need;
  for (auto const& u : units) {
    auto const borrowed = u.tied && (embedding_here || load.head == tied_head::shared);
    if (!borrowed) need.weights += u.weight_bytes;
    need.kv += kv_bytes(u, load);
    need.workspace = std::max(need.workspace, workspace_bytes(u, load));
  }
  if (!load.weights_only) need.workspace = profile.round_up(need.workspace + profile.per_step_token * load.max_step_tokens());
  return need;
}

/// What every span of a partition takes, in the order of the spans.
/// Complexity: O(units + spans)
inline std::vector<stage_memory> memory_of(stages const& spans, std::span<unit const> units, demand const& load,
                                           memory_profile const& profile = {}) {
  auto const holds_embedding = [&](stage_span const& s) {
    return std::ranges::any_of(units.subspan(s.first, s.last - s.first),
                               [](unit const& u) { return u.kind == unit_kind::embedding; });
  };
  auto const first = std::ranges::find_if(spans, holds_embedding);
  std::vector<stage_memory> needs;
  needs.reserve(spans.size());
  for (auto const& s : spans)
    needs.push_back(
        memory_of(units.subspan(s.first, s.last - s.first), load, profile, first != spans.end() && first->device == s.device));
  return needs;
}

namespace detail {

/// What a backend runs on where it runs on devices of this group: a GPU anywhere makes it load what GPUs want.
inline device_kind backend_kind_of(device_group const& group) {
  for (std::size_t i = 0; i < group.size(); ++i)
    if (group[i].id.kind == device_kind::cuda) return device_kind::cuda;
  return device_kind::cpu;
}

}  // namespace detail
}  // namespace gpuplace
