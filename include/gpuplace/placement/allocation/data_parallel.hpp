#pragma once
/// @file
/// The allocation `data_parallel`.

#include <gpuplace/placement/allocation_strategy.hpp>

#include <cstddef>
#include <string>

namespace gpuplace {

/// Gives every replica its own share of the devices: `replicas` groups of equal size, in the view's order.
/// When to use: throughput, with models that fit such a group. All models of a workload get one replica in each group.
/// Shape:      D devices -> n groups of D/n; a remainder stays idle; n = 0 means one device each
/// Errors:     errc::does_not_fit when there are fewer devices than replicas     Complexity: O(devices)
struct data_parallel {
  static constexpr std::string_view name = "data_parallel";
  std::size_t replicas = 0;

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    auto const count = replicas == 0 ? view.size() : replicas;
    if (count == 0 || count > view.size())
      return error{errc::does_not_fit,
                   "data_parallel(" + std::to_string(replicas) + ") needs " + std::to_string(replicas) + " devices, there are " +
                       std::to_string(view.size()),
                   "allocation", "ask for at most " + std::to_string(view.size()) + " replicas, or make more devices visible"};
    candidate proposal{.models = {}, .label = "data_parallel(" + std::to_string(count) + ")"};
    std::vector<device_group> groups;
    for (std::size_t r = 0; r < count; ++r) groups.push_back(view.slice(r * (view.size() / count), view.size() / count));
    proposal.models.assign(work.models.size(), groups);
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<data_parallel>());

}  // namespace gpuplace
