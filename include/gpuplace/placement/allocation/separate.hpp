#pragma once
/// @file
/// The allocation `separate`.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/device_choice.hpp>

#include <cstddef>
#include <string>

namespace gpuplace {

/// Gives every model a device of its own: the best-linked ones (best_group()), the first where all are linked alike.
/// When to use: target and drafter that fit one device each. Further devices stay idle: `ratio` uses them.
/// Errors:     errc::does_not_fit when there are fewer devices than models      Complexity: that of best_group()
struct separate {
  static constexpr std::string_view name = "separate";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (view.size() < work.models.size())
      return error{errc::does_not_fit,
                   "separate needs a device for each of " + std::to_string(work.models.size()) + " models, there are " +
                       std::to_string(view.size()),
                   "allocation", "make more devices visible, or put the models on one device with same"};
    candidate proposal{.models = {}, .label = "separate"};
    if (work.models.empty()) return std::vector{std::move(proposal)};
    GPUPLACE_TRY(auto const chosen, best_group(view, work.models.size()));
    for (auto const d : chosen.devices) proposal.models.push_back({view.slice(d, 1)});
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<separate>());

}  // namespace gpuplace
