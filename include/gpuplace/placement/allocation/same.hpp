#pragma once
/// @file
/// The allocation `same`.

#include <gpuplace/placement/allocation_strategy.hpp>

namespace gpuplace {

/// Puts all models on the view's first device, where they share its memory.
/// When to use: a drafter small enough to live beside its target.
/// Errors:     errc::does_not_fit for an empty view         Complexity: O(models)
struct same {
  static constexpr std::string_view name = "same";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (view.empty()) return error{errc::does_not_fit, "there is no device", "allocation same", "make a device visible"};
    candidate proposal{.models = {}, .label = "same"};
    proposal.models.assign(work.models.size(), {view.slice(0, 1)});
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<same>());

}  // namespace gpuplace
