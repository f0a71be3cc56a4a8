#pragma once
/// @file
/// The allocation `same`.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/device_choice.hpp>

namespace gpuplace {

/// Puts all models on one device, where they share its memory: the one that the others miss least (best_group()), the view's first
/// where all are linked alike.
/// When to use: a drafter small enough to live beside its target.
/// Errors:     errc::does_not_fit for an empty view         Complexity: that of best_group()
struct same {
  static constexpr std::string_view name = "same";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    device_chooser chooser(view);
    return propose(work, view, chooser);
  }

  /// As above, with a chooser of `view` that others have used.
  result<std::vector<candidate>> propose(workload const& work, device_group const& view, device_chooser& chooser) const {
    if (view.empty()) return error{errc::does_not_fit, "there is no device", "allocation same", "make a device visible"};
    candidate proposal{.models = {}, .label = "same"};
    GPUPLACE_TRY(auto const chosen, chooser.group(1));
    proposal.models.assign(work.models.size(), {view.subset(chosen.devices)});
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<same>());

}  // namespace gpuplace
