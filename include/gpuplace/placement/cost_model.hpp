#pragma once
/// @file
/// How long a step takes: every unit the larger of moving its bytes and doing its arithmetic, every hop its path's time.

#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/unit.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace gpuplace {

/// The work of one step, counted over all its rows.
struct step_work {
  double tokens = 0;    ///< that enter
  double sampled = 0;   ///< rows that the head sees
  double cached = 0;    ///< tokens of KV cache that are read, each row's own once
  double attended = 0;  ///< pairs of a query and a position it looks at

  /// One token of each of `sequences`, every one with `context` tokens behind it.
  static constexpr step_work decode(double sequences, double context) {
    return {.tokens = sequences, .sampled = sequences, .cached = sequences * context, .attended = sequences * context};
  }
  /// `prompts` prompts of `length` tokens, none of them in the cache before.
  static constexpr step_work prefill(double prompts, double length) {
    return {.tokens = prompts * length,
            .sampled = prompts,
            .cached = prompts * length,
            .attended = prompts * length * (length + 1) / 2};
  }
  friend constexpr step_work operator+(step_work a, step_work const& b) {
    return {a.tokens + b.tokens, a.sampled + b.sampled, a.cached + b.cached, a.attended + b.attended};
  }
};

/// Weights that a step of `rows` tokens reads: of an embedding their rows, of experts those that any of them chooses. Tokens are
/// taken to choose evenly and each for itself; where they agree, as those of one text do in part, fewer are read.
inline double weight_reads(unit const& u, double rows) {
  auto const weights = static_cast<double>(u.weight_bytes.count());
  if (u.read_bytes_per_token.count() > 0) return std::min(weights, static_cast<double>(u.read_bytes_per_token.count()) * rows);
  if (u.expert_bytes.count() == 0) return weights;
  return weights - static_cast<double>(u.expert_bytes.count()) * std::pow(1 - u.expert_share, rows);
}

/// Time of one unit on one device: max(bytes / memory bandwidth, FLOPs / peak) + the launch cost.
/// A device whose rate is unknown (zero) spends no time on that part.
/// Source:     the roofline model (Williams, Waterman, Patterson, CACM 2009)
inline seconds unit_time(unit const& u, device const& on, step_work const& work, dtype type) {
  auto const rows = u.kind == unit_kind::head ? work.sampled : work.tokens;
  if (rows <= 0) return seconds{0};
  auto const window = static_cast<double>(u.kv_window);
  auto const share = window > 0 && work.attended > 0 ? std::min(1.0, window * work.tokens / work.attended) : 1.0;
  auto const moved = weight_reads(u, rows) + static_cast<double>(u.kv_bytes_per_token.count()) * work.cached * share;
  auto const operations = u.flops_per_token * rows + u.attention_flops_per_position * work.attended * share;
  auto const peak = (compute_dtype(type) == dtype::fp32 ? on.peak_fp32 : on.peak_bf16).value() * 1e12;
  auto const moving = on.memory_bandwidth.value() > 0 ? moved / (on.memory_bandwidth.value() * 1e9) : 0.0;
  auto const computing = peak > 0 ? operations / peak : 0.0;
  return seconds{std::max(moving, computing)} + on.launch_cost;
}

/// Time of consecutive units on one device. Units that only encode take no part in a step of tokens.
inline seconds stage_time(std::span<unit const> units, device const& on, step_work const& work, dtype type) {
  seconds total{0};
  for (auto const& u : units)
    if (u.phase == unit_phase::decode) total += unit_time(u, on, work, type);
  return total;
}

/// Time to hand the hidden states after `last` over `way`; nothing passes behind units that only encode in a step of tokens.
inline seconds hop_time(unit const& last, path const& way, step_work const& work) {
  if (last.phase != unit_phase::decode) return seconds{0};
  return way.time(bytes{static_cast<std::int64_t>(static_cast<double>(last.output_bytes_per_token.count()) * work.tokens)});
}

}  // namespace gpuplace
