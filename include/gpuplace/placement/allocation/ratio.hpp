#pragma once
/// @file
/// The allocation `ratio`.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/detail/replica_need.hpp>

#include <cstddef>
#include <initializer_list>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// Divides the devices among the models in proportion: `ratio{6, 2}` gives the first model six of eight, the second two;
/// of sixteen it gives twelve and four. Each gets the best-linked devices (best_groups()), in the view's order where all are
/// linked alike.
/// When to use: target and drafter on GPUs of their own. With one device a model, `separate` says it shorter.
/// Shape:      D devices, shares that sum to S -> one group for each model; S divides D, or D - S devices stay idle
/// Errors:     errc::invalid_argument when the shares are not one for each model or one is zero;
///             errc::does_not_fit when S > D                  Complexity: O(devices), best_groups() apart
struct ratio {
  static constexpr std::string_view name = "ratio";
  std::vector<std::size_t> shares;

  ratio() = default;
  ratio(std::initializer_list<std::size_t> parts) : shares(parts) {}
  explicit ratio(std::vector<std::size_t> parts) : shares(std::move(parts)) {}

  /// `ratio(6:2)`, as a spec string writes it.
  std::string label() const {
    std::string text = "ratio(";
    for (std::size_t i = 0; i < shares.size(); ++i) text += (i ? ":" : "") + std::to_string(shares[i]);
    return text + ")";
  }

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    device_chooser chooser(view);
    return propose(work, view, chooser);
  }

  /// As above, with a chooser of `view` that others have used.
  result<std::vector<candidate>> propose(workload const& work, device_group const& view, device_chooser& chooser) const {
    auto const sum = std::accumulate(shares.begin(), shares.end(), std::size_t{0});
    if (shares.size() != work.models.size())
      return error{errc::invalid_argument,
                   label() + " names " + std::to_string(shares.size()) + " shares, the workload has " +
                       std::to_string(work.models.size()) + (work.models.size() == 1 ? " model" : " models"),
                   "allocation", "write one share for each --model, in their order"};
    for (auto const part : shares)
      if (part == 0)
        return error{errc::invalid_argument, label() + " gives a model no device", "allocation", "every share must be at least 1"};
    if (sum > view.size())
      return error{errc::does_not_fit,
                   label() + " needs " + std::to_string(sum) + " devices, there are " + std::to_string(view.size()), "allocation",
                   "use shares that sum to at most " + std::to_string(view.size()) + ", or make more devices visible"};
    auto const scale = view.size() % sum == 0 ? view.size() / sum : 1;
    candidate proposal{.models = {}, .label = label()};
    auto sizes = shares;
    for (auto& size : sizes) size *= scale;
    for (auto& group : detail::groups_of(view, chooser, sizes)) proposal.models.push_back({std::move(group)});
    return std::vector{std::move(proposal)};
  }
};
static_assert(check_allocation_strategy<ratio>());

}  // namespace gpuplace
