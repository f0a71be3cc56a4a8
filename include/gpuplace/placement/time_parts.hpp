#pragma once
/// @file
/// What the time of a stage is spent on: moving bytes, arithmetic or launching work.

#include <gpuplace/placement/cost_model.hpp>

#include <algorithm>
#include <span>
#include <string_view>

namespace gpuplace {

/// The time of a step by what it is spent on. Each unit counts where it is bound.
struct time_parts {
  seconds memory{0};   ///< moving weights and KV cache, where that takes longer than the arithmetic
  seconds compute{0};  ///< arithmetic, where that takes longer
  seconds launch{0};   ///< starting the work of units
  seconds links{0};    ///< hops

  seconds total() const { return memory + compute + launch + links; }
  time_parts& operator+=(time_parts const& more) {
    memory += more.memory;
    compute += more.compute;
    launch += more.launch;
    links += more.links;
    return *this;
  }
  /// What most of the time goes to, in words; "nothing that is known" where rates are unknown.
  std::string_view binding() const {
    auto const most = std::max({memory, compute, launch, links});
    if (most <= seconds{0}) return "nothing that is known";
    return most == memory ? "memory bandwidth" : most == compute ? "compute" : most == links ? "links" : "launching work";
  }
  seconds largest() const { return std::max({memory, compute, launch, links}); }
};

/// The parts of stage_time() of the same arguments; their sum is that time.
inline time_parts stage_time_parts(std::span<unit const> units, device const& on, step_work const& work, dtype type) {
  auto without_compute = on;
  without_compute.peak_bf16 = without_compute.peak_fp32 = teraflops{};
  time_parts parts;
  for (auto const& u : units) {
    if (u.phase != unit_phase::decode) continue;
    auto const whole = unit_time(u, on, work, type);
    auto const launch = std::min(whole, on.launch_cost);
    bool const moving = unit_time(u, without_compute, work, type) >= whole;
    parts.launch += launch;
    (moving ? parts.memory : parts.compute) += whole - launch;
  }
  return parts;
}

}  // namespace gpuplace
