#pragma once
/// @file
/// The concept of an allocation: which devices does each model, replica or adapter get?

#include <gpuplace/core/named.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <concepts>
#include <string>
#include <vector>

namespace gpuplace {

/// What one replica is there for: its adapters, and the room that they take.
struct replica_serves {
  std::string group;  ///< a name for replicas that belong together
  std::vector<std::string> adapters;
  bytes adapter_bytes_per_layer;  ///< in every decoder layer, for all adapters that it holds at once
};

/// One proposal: `models[m][r]` is the group of replica r of model m of the workload.
/// Groups may share devices (`same` puts two models on one).
struct candidate {
  std::vector<std::vector<device_group>> models;
  std::string label;                                  ///< what `explain()` calls it, such as `ratio(6:2)`
  std::vector<std::string> notes{};                   ///< for the plan's reader, if this is the one that is kept
  std::string remedy{};                               ///< what to ask for where this does not fit; may be empty
  std::vector<std::vector<replica_serves>> serves{};  ///< `[m][r]`: what replica r of model m is for; empty: whatever comes
};

/// `s.propose(work, view)` gives one or more candidates, best guess first.
template <class S>
concept has_propose = requires(S const& s, workload const& work, device_group const& view) {
  { s.propose(work, view) } -> std::same_as<result<std::vector<candidate>>>;
};

/// Which devices does each model get? `place()` partitions and prices every candidate and keeps the best.
template <class S>
concept allocation_strategy = has_name<S> && has_propose<S> && std::copy_constructible<S>;

/// True, or a compile error that says what to write.
template <class S>
consteval bool check_allocation_strategy() {
  static_assert(std::copy_constructible<S>,
                "an allocation strategy must be copyable: the plan, the simulation and the run each keep one");
  static_assert(has_name<S>, "an allocation strategy needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_propose<S>,
                "an allocation strategy needs:  gpuplace::result<std::vector<gpuplace::candidate>> "
                "propose(gpuplace::workload const&, gpuplace::device_group const&) const;");
  return allocation_strategy<S>;
}

}  // namespace gpuplace
