#pragma once
/// @file
/// The allocation `data_parallel`.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/detail/replica_need.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// `count` replicas of `size` devices each; 0: of as many as there are for each.
inline candidate replicas_proposal(workload const& work, device_group const& view, device_chooser& chooser, std::size_t count,
                                   std::size_t size = 0) {
  auto const each = size == 0 ? "" : ",devices=" + std::to_string(size);
  candidate proposal{.models = {}, .label = "data_parallel(" + std::to_string(count) + each + ")"};
  std::vector<std::size_t> const sizes(count, size == 0 ? view.size() / count : size);
  proposal.models.assign(work.models.size(), groups_of(view, chooser, sizes));
  return proposal;
}

}  // namespace detail

/// Gives every replica its own share of the devices: `replicas` groups of equal size, each on the best-linked devices
/// (best_groups()), in the view's order where all are linked alike. Without a number, as many replicas as their memory allows: one
/// device each, or where a device does not hold the model as few devices each as do, which the plan's notes say.
/// When to use: throughput, with models that fit such a group. All models of a workload get one replica in each group.
/// Shape:      D devices -> n groups of D/n, or of `devices`; a remainder stays idle; n = 0: the most that fit, and up to three smaller numbers for
///             partitions that need more room
/// Errors:     errc::does_not_fit when there are fewer devices than replicas
/// Complexity: O(devices), best_groups() apart; without a number O(units) for each size of group that is too small
struct data_parallel {
  static constexpr std::string_view name = "data_parallel";
  std::size_t replicas = 0;
  std::size_t devices = 0;  ///< of each replica; 0: as many as there are for each

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (replicas > view.size() || view.empty())
      return error{errc::does_not_fit,
                   "data_parallel(" + std::to_string(replicas) + ") needs " + std::to_string(replicas) + " devices, there are " +
                       std::to_string(view.size()),
                   "allocation", "ask for at most " + std::to_string(view.size()) + " replicas, or make more devices visible"};
    if (devices > view.size() || std::max<std::size_t>(1, replicas) * devices > view.size())
      return error{errc::does_not_fit,
                   std::to_string(std::max<std::size_t>(1, replicas)) + " replicas of " + std::to_string(devices) +
                       " devices need more than the " + std::to_string(view.size()) + " there are",
                   "allocation data_parallel", "ask for fewer replicas or fewer devices each"};
    device_chooser chooser(view);
    if (devices > 0)
      return std::vector{detail::replicas_proposal(work, view, chooser, replicas > 0 ? replicas : view.size() / devices, devices)};
    return replicas == 0 ? as_many_as_fit(work, view, chooser) : as_asked(work, view, chooser);
  }

private:
  std::vector<candidate> as_asked(workload const& work, device_group const& view, device_chooser& chooser) const {
    auto proposal = detail::replicas_proposal(work, view, chooser, replicas);
    if (work.models.empty() || detail::all_fit_filled(work, proposal.models.front())) return {std::move(proposal)};
    auto const need = detail::need_of(work, view, chooser);
    if (need.devices > view.size() / replicas)
      proposal.remedy = "data_parallel(" + std::to_string(view.size() / need.devices) + "): " + need.text(work) +
                        ", a replica takes " + std::to_string(need.devices);
    return {std::move(proposal)};
  }

  static std::vector<candidate> as_many_as_fit(workload const& work, device_group const& view, device_chooser& chooser) {
    auto const need = detail::need_of(work, view, chooser);
    if (need.devices <= 1) return {detail::replicas_proposal(work, view, chooser, view.size())};
    constexpr std::size_t most = 4;
    std::vector<candidate> all;
    for (auto size = need.devices; size <= view.size() && all.size() < most; ++size) {
      auto const count = view.size() / size;
      if (size > need.devices && count == view.size() / (size - 1)) continue;
      all.push_back(detail::replicas_proposal(work, view, chooser, count));
      all.back().notes.push_back("a replica takes " + detail::counted(view.size() / count, "device") + ": " + need.text(work) +
                                 "; " + detail::counted(view.size(), "device") + " are " + detail::counted(count, "replica") +
                                 " of " + std::to_string(view.size() / count));
    }
    return all;
  }
};
static_assert(check_allocation_strategy<data_parallel>());

}  // namespace gpuplace
