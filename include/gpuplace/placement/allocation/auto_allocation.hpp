#pragma once
/// @file
/// The allocation `auto`.

#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/allocation/ratio.hpp>
#include <gpuplace/placement/allocation/same.hpp>
#include <gpuplace/placement/allocation/separate.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// Machines up to this size are tried with every number of devices a replica.
inline constexpr std::size_t tried_one_by_one = 16;
/// Above this size only numbers of devices near the one that a replica needs are tried.
inline constexpr std::size_t tried_at_all = 64;

/// Devices a replica that are worth trying on `devices` of them: one, two, and so on; on larger machines powers of two, on the
/// largest what a replica needs and the power of two above it.
/// @param most  no replica has more: a model has no more units
inline std::vector<std::size_t> group_sizes(std::size_t devices, replica_need const& need, std::size_t most) {
  std::vector<std::size_t> sizes;
  if (devices > tried_at_all) {
    if (need.devices == 0) return sizes;
    sizes = {need.devices, std::bit_ceil(need.devices + 1)};
  } else {
    for (std::size_t size = 1; size <= devices / 2; size = devices <= tried_one_by_one ? size + 1 : size * 2) sizes.push_back(size);
  }
  std::erase_if(sizes, [&](std::size_t size) { return size > devices / 2 || (devices > tried_at_all && size > most); });
  return sizes;
}

/// Numbers of replicas that these sizes make.
/// @param requests  expected in all; 0: unknown
inline std::vector<std::size_t> replica_counts(std::size_t devices, std::vector<std::size_t> const& sizes, std::int64_t requests) {
  std::vector<std::size_t> counts;
  for (auto const size : sizes) {
    auto const count = devices / size;
    bool const wanted = requests <= 0 || count <= static_cast<std::size_t>(requests);
    if (wanted && (counts.empty() || counts.back() != count)) counts.push_back(count);
  }
  return counts;
}

/// Ways to divide `devices` between two models, in at most eight steps.
inline std::vector<std::size_t> shares_of_the_first(std::size_t devices, std::size_t& whole) {
  whole = std::min<std::size_t>(devices, 8);
  while (devices % whole != 0) --whole;
  if (whole == 1) whole = std::min<std::size_t>(devices, 8);  // a prime number: some devices stay idle
  std::vector<std::size_t> shares;
  for (std::size_t first = whole - 1; first >= 1; --first) shares.push_back(first);
  return shares;
}

/// Why a candidate is what the model, the memory and the number of requests ask for, in one line.
inline std::string reason_for(candidate const& proposal, workload const& work, device_group const& view, replica_need const& need) {
  auto const& groups = proposal.models.front();
  auto const size = groups.front().size();
  auto const requests = work.models.front().load.requests;
  auto const few = requests > 0 && static_cast<std::size_t>(requests) < view.size();
  auto const replicas = groups.size();
  auto const asked = counted(static_cast<std::size_t>(requests), "request");
  if (work.models.size() > 1 && proposal.label.starts_with(ratio::name))
    return "each model on devices of its own: " + need.text(work) + "; of the ways to share the devices this is the fastest";
  if (size == 1 && replicas == 1)
    return "a single device: " + need.text(work) +
           (view.size() == 1 ? ", and there is no second one"
            : few            ? ", and " + asked + (requests == 1 ? " gains" : " gain") + " nothing from a second replica"
                             : ", and no wider choice is faster");
  if (size == 1)
    return "data parallel: " + need.text(work) + ", so each of " + counted(replicas, "replica") + " has a device of its own" +
           (few ? ", as many as " + asked + " keep busy" : "");
  std::string why = (replicas == 1 ? "one replica split over " : counted(replicas, "replica") + ", each split over ") +
                    counted(size, "device") + ": " + need.text(work);
  if (size > need.devices && need.devices > 0)
    why += few ? ", and " + asked + (requests == 1 ? " keeps" : " keep") + " no more replicas busy"
               : ", the fewest that can hold it are " + std::to_string(need.devices) +
                     ", and this is faster or fits where they do not";
  return why;
}

}  // namespace detail

/// Proposes what the other allocations would, for place() to choose from: replicas on as few devices each as will do, one group,
/// and for several models every division among them. The plan's notes say in a line why the chosen one is a single device, data
/// parallel or split: by the model, the memory and the number of requests.
/// When to use: the default. It is a list of the others, so name one where you know which.
/// Shape:      D devices -> O(D) candidates up to 16, O(log D) to 64, at most five above: those that memory leaves
/// Errors:     errc::does_not_fit for an empty view         Complexity: O(D) for each candidate, best_groups() apart
struct auto_allocation {
  static constexpr std::string_view name = "auto";

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (view.empty()) return error{errc::does_not_fit, "there is no device", "allocation auto", "make a device visible"};
    std::vector<candidate> all;
    if (work.models.empty()) return all;
    auto const add = [&](result<std::vector<candidate>> proposed) {
      if (proposed) std::ranges::move(*proposed, std::back_inserter(all));
    };
    device_chooser chooser(view);
    auto const need = detail::need_of(work, view, chooser);
    std::size_t most = 1;
    for (auto const& m : work.models) most = std::max(most, m.model.units.size());
    auto const sizes = detail::group_sizes(view.size(), need, most);
    for (auto const count : detail::replica_counts(view.size(), sizes, work.models.front().load.requests))
      all.push_back(detail::replicas_proposal(work, view, chooser, count));
    add_as_many_as_requests(work, view, chooser, need, all);
    bool const large = view.size() > detail::tried_at_all;
    if (work.models.size() == 2 && view.size() >= 2 && view.size() / 8 <= most) {
      std::size_t whole = 0;
      for (auto const first : detail::shares_of_the_first(view.size(), whole))
        add(ratio{first, whole - first}.propose(work, view, chooser));
    } else if (work.models.size() > 2) {
      add(separate{}.propose(work, view));
    }
    if (!large || view.size() <= most || need.devices == 0) add(one_group{}.propose(work, view));
    if (view.size() > 1 && (!large || need.devices == 1)) add(same{}.propose(work, view, chooser));
    if (all.empty()) add(one_group{}.propose(work, view));
    for (auto& c : all) c.notes.push_back(detail::reason_for(c, work, view, need));
    return all;
  }

private:
  /// A replica for each request on no more devices than it needs, where the division of all devices does not give that.
  static void add_as_many_as_requests(workload const& work, device_group const& view, device_chooser& chooser,
                                      detail::replica_need const& need, std::vector<candidate>& all) {
    auto const requests = static_cast<std::size_t>(std::max<std::int64_t>(0, work.models.front().load.requests));
    if (requests == 0 || need.devices == 0 || requests > view.size() / need.devices) return;
    if (view.size() / requests == need.devices || (requests == 1 && need.devices == 1)) return;
    all.push_back(detail::replicas_proposal(work, view, chooser, requests, need.devices));
  }
};
static_assert(check_allocation_strategy<auto_allocation>());

}  // namespace gpuplace
