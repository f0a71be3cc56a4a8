#pragma once
/// @file
/// The least that an allocation and a partition may be.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/partition_strategy.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace gpuplace::testing {

/// Offers what `allocation_strategy` asks for and nothing more: no default constructor, no assignment.
/// Gives every model one replica over the whole view.
class archetype_allocation {
public:
  static constexpr std::string_view name = "archetype";

  static archetype_allocation make() { return archetype_allocation(0); }
  archetype_allocation(archetype_allocation const&) = default;
  archetype_allocation& operator=(archetype_allocation const&) = delete;

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    candidate everything;
    everything.models.assign(work.models.size(), {view});
    everything.label = name;
    return std::vector<candidate>{everything};
  }

private:
  explicit archetype_allocation(int) {}
};
static_assert(check_allocation_strategy<archetype_allocation>());

/// Offers what `partition_strategy` asks for and nothing more: no default constructor, no assignment, no tied head.
/// Puts all units on the group's first device.
class archetype_partition {
public:
  static constexpr std::string_view name = "archetype";

  static archetype_partition make() { return archetype_partition(0); }
  archetype_partition(archetype_partition const&) = default;
  archetype_partition& operator=(archetype_partition const&) = delete;

  result<stages> partition(std::span<unit const> units, device_group const&, demand const&) const {
    return stages{stage_span{0, 0, units.size()}};
  }

private:
  explicit archetype_partition(int) {}
};
static_assert(check_partition_strategy<archetype_partition>() && !has_tied_head<archetype_partition>);

}  // namespace gpuplace::testing
