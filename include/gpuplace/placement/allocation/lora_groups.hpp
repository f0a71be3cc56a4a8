#pragma once
/// @file
/// The allocation `lora_groups`.

#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/detail/adapter_loads.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// A LoRA adapter with what is asked of it.
struct adapter_demand {
  std::string name;
  double load = 1;  ///< its part of the work, in any unit: requests or tokens a second
  std::int64_t lora_rank = 16;
  std::size_t replicas = 0;  ///< instances that hold it; 0: as many as its load asks for
  std::string group{};       ///< the instances that may hold it; empty: all
};

/// Instances that belong together, by number.
struct instance_group {
  std::string name;
  std::vector<std::size_t> instances;
};

/// Replicas of one model, each an instance with adapters of its own: the adapters are assigned so that the busiest instance has as
/// little load as can be. Hot adapters are on several instances, which share their load.
/// When to use: many adapters of one base model, routed by adapter; data_parallel where every instance can hold all.
/// The room of the adapters is counted: `slots` of the largest rank on every instance, as servers reserve it, or what is held.
/// Shape:      D devices, n instances -> n groups of D/n; n = 0: as many as the memory allows
/// Errors:     errc::invalid_argument for adapters, groups or several models that make no sense; errc::does_not_fit for more adapters
///             than slots, and for more instances than devices
/// Complexity: O(adapters x instances) and a search of at most 500,000 steps up to 16 copies, 20,000 above: exact for about a dozen, else longest
///             processing time first, at most 4/3 of the best (Graham, 1969) where any adapter may be anywhere; the note says the bound
struct lora_groups {
  static constexpr std::string_view name = "lora_groups";
  std::vector<adapter_demand> adapters;
  std::vector<instance_group> groups{};
  std::size_t instances = 0;
  std::size_t slots = 0;  ///< adapters that one instance holds at once, vLLM's --max-loras; 0: any number

  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (work.models.size() != 1)
      return refuse("adapters belong to one model, the workload has " + std::to_string(work.models.size()));
    GPUPLACE_TRY(auto proposals, data_parallel{instances}.propose(work, view));
    for (std::size_t i = 0; i < proposals.size(); ++i) {
      auto assigned = assign(proposals[i], work.models.front().model);
      if (!assigned && i == 0) return std::move(assigned).error();
      if (!assigned) proposals.resize(i);
    }
    return proposals;
  }

private:
  /// Gives the replicas of a proposal their adapters.
  result<void> assign(candidate& proposal, model_description const& model) const {
    auto const count = proposal.models.front().size();
    GPUPLACE_CHECK(check(count));
    std::vector<detail::adapter_load> loads;
    for (auto const& a : adapters) loads.push_back({a.load, a.replicas, allowed(a, count)});
    auto const any = std::numeric_limits<std::size_t>::max();
    auto const found = detail::adapter_search(loads, count, slots == 0 ? any : slots).solve();
    if (!found)
      return error{errc::does_not_fit,
                   std::to_string(adapters.size()) + " adapters find no room on " + detail::counted(count, "instance") + " of " +
                       detail::counted(slots, "slot"),
                   "allocation lora_groups", "raise slots (--max-loras), use more instances, widen the groups, or lower replicas"};
    proposal.label = "lora_groups(" + detail::counted(adapters.size(), "adapter") + ", " + detail::counted(count, "instance") + ")";
    proposal.notes.push_back(summary(*found));
    proposal.serves.resize(1);
    for (std::size_t i = 0; i < count; ++i) proposal.serves[0].push_back(served(model, i, found->held[i]));
    return {};
  }

  static error refuse(std::string what, std::string remedy = {}) {
    return {errc::invalid_argument, std::move(what), "allocation lora_groups", std::move(remedy)};
  }

  result<void> check(std::size_t count) const {
    if (adapters.empty()) return refuse("there are no adapters", "name them, or use data_parallel");
    std::set<std::string> names, group_names;
    std::set<std::size_t> grouped;
    for (auto const& g : groups) {
      if (g.name.empty() || !group_names.insert(g.name).second)
        return refuse("the group '" + g.name + "' has no name or is there twice", "give every group a name of its own");
      if (g.instances.empty()) return refuse("the group '" + g.name + "' has no instance", "name its instances");
      for (auto const i : g.instances) {
        if (i >= count)
          return refuse("the group '" + g.name + "' names instance " + std::to_string(i) + ", there are " + std::to_string(count),
                        "instances count from 0");
        if (!grouped.insert(i).second)
          return refuse("instance " + std::to_string(i) + " is in a group twice", "groups share no instance");
      }
    }
    for (auto const& a : adapters) {
      if (a.name.empty() || !names.insert(a.name).second)
        return refuse("the adapter '" + a.name + "' has no name or is there twice", "give every adapter a name of its own");
      if (!(a.load >= 0) || !std::isfinite(a.load)) return refuse("the load of '" + a.name + "' is not a number of at least 0");
      if (a.lora_rank < 1) return refuse("the rank of '" + a.name + "' is " + std::to_string(a.lora_rank), "write at least 1");
      if (!a.group.empty() && !group_names.contains(a.group))
        return refuse("the adapter '" + a.name + "' belongs to a group '" + a.group + "' that is not there",
                      "add it to the groups");
      if (a.replicas > allowed(a, count).size())
        return refuse("the adapter '" + a.name + "' is to be on " + std::to_string(a.replicas) + " instances, there are " +
                          std::to_string(allowed(a, count).size()) + " for it",
                      "lower its replicas");
    }
    return {};
  }

  std::vector<std::size_t> allowed(adapter_demand const& a, std::size_t count) const {
    std::vector<std::size_t> all(count);
    std::iota(all.begin(), all.end(), std::size_t{0});
    auto const group = std::ranges::find(groups, a.group, &instance_group::name);
    if (a.group.empty() || group == groups.end()) return all;
    all = group->instances;
    std::ranges::sort(all);
    return all;
  }

  std::string summary(detail::adapter_assignment const& found) const {
    std::array<char, 160> text{};
    if (found.exact)
      std::snprintf(text.data(), text.size(), "adapters: the busiest instance has a load of %.4g, no assignment has less",
                    found.worst);
    else
      std::snprintf(text.data(), text.size(), "adapters: the busiest instance has a load of %.4g, none can have less than %.4g",
                    found.worst, found.least);
    std::string copied;
    for (std::size_t a = 0; a < adapters.size(); ++a)
      if (found.copies[a] > 1)
        copied +=
            (copied.empty() ? "; on several instances: " : ", ") + adapters[a].name + " on " + std::to_string(found.copies[a]);
    return text.data() + copied;
  }

  replica_serves served(model_description const& model, std::size_t instance, std::vector<std::size_t> const& held) const {
    replica_serves made;
    std::int64_t ranks = 0, largest = 0;
    for (auto const& a : adapters) largest = std::max(largest, a.lora_rank);
    for (auto const a : held) {
      made.adapters.push_back(adapters[a].name);
      ranks += adapters[a].lora_rank;
    }
    for (auto const& g : groups)
      if (std::ranges::find(g.instances, instance) != g.instances.end()) made.group = g.name;
    if (slots > 0) ranks = largest * static_cast<std::int64_t>(slots);
    made.adapter_bytes_per_layer = bytes_per_rank(model) * ranks;
    return made;
  }

  /// Both factors of every linear layer of a decoder layer, for each unit of rank, in the format that is computed with.
  static bytes bytes_per_rank(model_description const& model) {
    auto const& c = model.config;
    auto const queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    auto const attention = 2 * (c.hidden + queries) + 2 * (c.hidden + keys);
    auto const feed_forward = 3 * (c.hidden + c.intermediate);
    return bytes{attention + feed_forward} * (compute_dtype(model.type) == dtype::fp32 ? 4 : 2);
  }
};
static_assert(check_allocation_strategy<lora_groups>());

}  // namespace gpuplace
