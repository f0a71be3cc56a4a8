#pragma once
/// @file
/// The allocation `one_group`.

#include <gpuplace/placement/allocation_strategy.hpp>

namespace gpuplace {

/// Gives every model one replica over all devices of the view.
/// When to use: a model that needs all of them. Several models then share every device: `ratio` keeps them apart.
/// Errors:     errc::does_not_fit for an empty view         Complexity: O(models)
struct one_group {
  static constexpr std::string_view name = "one_group";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (view.empty()) return error{errc::does_not_fit, "there is no device", "allocation one_group", "make a device visible"};
    candidate proposal{.models = {}, .label = "one_group"};
    proposal.models.assign(work.models.size(), {view});
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<one_group>());

}  // namespace gpuplace
