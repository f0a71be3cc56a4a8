#pragma once
/// @file
/// A candidate partitioned and added up on each device, or the reason why it does not fit.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/place_options.hpp>
#include <gpuplace/placement/stage_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// The partition of one replica, over its own group.
struct placed_replica {
  std::size_t model = 0;
  std::size_t like = 0;  ///< the first replica with the same spans on devices that are alike; of most their own number
  replica_serves serves;
  device_group group;
  std::vector<std::size_t> positions;  ///< of the group's devices in the view
  stages spans;
  std::vector<stage_memory> needs;  ///< of each span
  std::int64_t micro_batches = 1;
};

/// What is placed on one device of the view so far.
struct device_use {
  bool used = false;
  stage_memory placed;
};

/// All replicas of a candidate, and what that makes of each device.
struct carried_out {
  std::vector<placed_replica> replicas;
  std::vector<device_use> use;
};

/// Every unit once, in order, on a device of the group: a user's own strategy may get this wrong.
inline result<void> check_spans(stages const& spans, std::size_t units, device_group const& group, std::string_view strategy) {
  auto const refuse = [&](std::string what) {
    return error{errc::invalid_argument, "the partition's answer is wrong: " + std::move(what),
                 "partition " + std::string(strategy),
                 "a partition returns spans that cover all units once, in their order, on devices of the group"};
  };
  std::size_t next = 0;
  for (auto const& s : spans) {
    if (s.device >= group.size())
      return refuse("device " + std::to_string(s.device) + " of a group of " + std::to_string(group.size()));
    if (s.first != next || s.last <= s.first || s.last > units)
      return refuse("a span [" + std::to_string(s.first) + ", " + std::to_string(s.last) + ") where unit " + std::to_string(next) +
                    " comes next");
    next = s.last;
  }
  if (next != units) return refuse(std::to_string(units - next) + " of " + std::to_string(units) + " units are placed nowhere");
  return {};
}

/// The words for a device that is asked for more than it has.
inline error overfull(device const& on, stage_memory const& placed, bytes base, bytes limit, workload const& work,
                      std::string_view label) {
  auto const need = placed.total() + base;
  std::string names;
  for (auto const& m : work.models) names += (names.empty() ? "" : " and ") + m.model.name;
  auto const& load = work.models.front().load;
  std::string what = names + " under " + std::string(label) + " needs " + to_string(need) + " there, the limit is " +
                     to_string(limit) + ": " + to_string(placed.weights) + " weights";
  if (!load.weights_only)
    what += ", " + to_string(placed.kv) + " KV cache (" + std::to_string(load.sequences) +
            (load.sequences == 1 ? " sequence" : " sequences") + " of " + std::to_string(load.context) + " tokens), " +
            to_string(placed.workspace + base) + " workspace";
  return {errc::does_not_fit, std::move(what), to_string(on.id), {}};
}

/// What a backend takes of a device on which `load` has stages, beside what their units take: its base, and the step's share of
/// each stage. A head that returns to the embedding's device makes two stages there.
inline bytes backend_share(demand const& load, memory_profile const& profile, device_kind on, bool head_returns) {
  if (load.weights_only) return {};
  auto const stage = profile.round_up(profile.per_step_token * load.max_step_tokens()) + profile.granularity - bytes{1};
  return profile.base(on) + stage * (head_returns ? 2 : 1);
}

/// `group` under what its limits leave: partitions fill up to them and know of no backend and no other model.
inline device_group group_with_room(device_group const& group, std::vector<std::size_t> const& positions,
                                    std::vector<device_use> const& use, bytes share) {
  bool const taken = std::ranges::any_of(positions, [&](std::size_t at) { return use[at].used; });
  if (!taken && share.count() == 0) return group;
  std::vector<bytes> limits;
  for (std::size_t d = 0; d < group.size(); ++d)
    limits.push_back(std::max(bytes{}, group.capacity(d) - use[positions[d]].placed.total() - share));
  return group.with_limits(limits);
}

inline result<std::vector<std::size_t>> positions_of(device_group const& group, device_group const& view,
                                                     candidate const& proposal) {
  std::vector<std::size_t> positions;
  positions.reserve(group.size());
  for (auto const& d : group) {
    auto const at = view.find(d.id);
    if (!at)
      return error{errc::invalid_argument, "the proposal " + proposal.label + " uses a device outside the view", to_string(d.id),
                   "an allocation takes its groups from the view it is given"};
    positions.push_back(*at);
  }
  return positions;
}

/// The first of `positions` that is asked for more than it has.
inline std::optional<std::size_t> first_overfull(std::vector<device_use> const& use, device_group const& view, bytes base,
                                                 std::vector<std::size_t> const& positions) {
  auto const at = std::ranges::find_if(
      positions, [&](std::size_t d) { return use[d].used && use[d].placed.total() + base > view.capacity(d); });
  return at == positions.end() ? std::nullopt : std::optional(*at);
}

/// How far to go with a candidate that does not fit: to the whole of what it would need, or no further than to the answer.
enum class effort { whole_need, answer };

/// Whether two groups cannot be told apart but by their devices' names.
inline bool alike(device_group const& a, device_group const& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto const &x = a[i], &y = b[i];
    if (x.id.kind != y.id.kind || x.name != y.name || a.capacity(i) != b.capacity(i) || x.memory_bandwidth != y.memory_bandwidth ||
        x.peak_bf16 != y.peak_bf16 || x.peak_fp32 != y.peak_fp32 || x.launch_cost != y.launch_cost)
      return false;
    for (std::size_t j = i + 1; j < a.size(); ++j)
      if (a.path(i, j) != b.path(i, j)) return false;
  }
  return true;
}

/// Replicas that were partitioned, one of each kind: a fleet has few.
class known_replicas {
public:
  /// The replica of model `m` whose group is like `group`; none where kinds are too many to be worth looking through.
  std::optional<std::size_t> like(std::size_t m, device_group const& group, std::vector<placed_replica> const& placed) {
    auto const same = [&](std::size_t r) { return placed[r].model == m && alike(placed[r].group, group); };
    auto const at = std::ranges::find_if(kinds_, same);
    if (at == kinds_.end()) return std::nullopt;
    std::iter_swap(at, kinds_.begin());
    return kinds_.front();
  }
  void add(std::size_t replica) {
    constexpr std::size_t most = 8;
    if (kinds_.size() < most) kinds_.push_back(replica);
  }

private:
  std::vector<std::size_t> kinds_;
};

/// Adds what a replica's adapters take to its stages, by their decoder layers.
inline void add_adapters(std::vector<stage_memory>& needs, stages const& spans, std::vector<unit> const& units, bytes per_layer) {
  if (per_layer.count() == 0) return;
  for (std::size_t s = 0; s < spans.size(); ++s)
    for (auto u = spans[s].first; u < spans[s].last; ++u)
      if (units[u].kind == unit_kind::decoder_layer) needs[s].weights += per_layer;
}

/// An upper bound of what the adapters take of each device of a group over which the layers are spread.
inline bytes adapter_share(replica_serves const& serves, std::vector<unit> const& units, std::size_t devices) {
  if (serves.adapter_bytes_per_layer.count() == 0) return {};
  auto const layers = std::ranges::count(units, unit_kind::decoder_layer, &unit::kind);
  auto const here = (static_cast<std::size_t>(layers) + devices - 1) / devices;
  return serves.adapter_bytes_per_layer * static_cast<std::int64_t>(here);
}

/// Partitions every replica of a candidate in turn and adds up what lands where.
/// Errors:     errc::does_not_fit naming the first device that is asked for too much; the partition's own
/// Complexity: O(stages + devices), the partition apart
template <partition_strategy P>
result<carried_out> carry_out(candidate const& proposal, workload const& work, device_group const& view, P const& partition,
                              place_options const& options, effort much = effort::whole_need) {
  if (proposal.models.size() != work.models.size())
    return error{errc::invalid_argument,
                 "the proposal " + proposal.label + " serves " + std::to_string(proposal.models.size()) + " of " +
                     std::to_string(work.models.size()) + " models",
                 "allocation", "an allocation proposes groups for every model of the workload"};
  carried_out made{{}, std::vector<device_use>(view.size())};
  known_replicas repeated;
  auto const base = work.models.front().load.weights_only ? bytes{} : options.memory.base(backend_kind_of(view));
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    auto const& units = work.models[m].model.units;
    auto const& load = work.models[m].load;
    auto const share =
        backend_share(load, options.memory, backend_kind_of(view), units.back().tied && load.head == tied_head::shared);
    for (std::size_t r = 0; r < proposal.models[m].size(); ++r) {
      auto const& group = proposal.models[m][r];
      GPUPLACE_TRY(auto positions, positions_of(group, view, proposal));
      auto const number = made.replicas.size();
      placed_replica placed{.model = m, .like = number, .group = group, .micro_batches = 1};
      if (m < proposal.serves.size() && r < proposal.serves[m].size()) placed.serves = proposal.serves[m][r];
      bool const fresh = std::ranges::none_of(positions, [&](std::size_t at) { return made.use[at].used; });
      bool const may_repeat = fresh && proposal.serves.empty() && proposal.models[m].size() > 1 && !names_devices(partition);
      auto const known = may_repeat ? repeated.like(m, group, made.replicas) : std::nullopt;
      if (known) {
        placed.like = *known;
        placed.spans = made.replicas[*known].spans;
        placed.needs = made.replicas[*known].needs;
      } else {
        auto const room = share + adapter_share(placed.serves, units, group.size());
        GPUPLACE_TRY(placed.spans, partition.partition(units, group_with_room(group, positions, made.use, room), load));
        GPUPLACE_CHECK(check_spans(placed.spans, units.size(), group, partition.name));
        placed.needs = memory_of(placed.spans, units, load, options.memory);
        add_adapters(placed.needs, placed.spans, units, placed.serves.adapter_bytes_per_layer);
        if (may_repeat) repeated.add(number);
      }
      auto const& spans = placed.spans;
      auto const& needs = placed.needs;
      for (std::size_t s = 0; s < spans.size(); ++s) {
        auto& on = made.use[positions[spans[s].device]];
        on.used = true;
        on.placed.weights += needs[s].weights;
        on.placed.kv += needs[s].kv;
        on.placed.workspace += needs[s].workspace;
      }
      if (much == effort::answer && first_overfull(made.use, view, base, positions))
        return error{errc::does_not_fit, proposal.label, {}, {}};
      placed.positions = std::move(positions);
      made.replicas.push_back(std::move(placed));
    }
  }
  std::vector<std::size_t> everywhere(view.size());
  std::iota(everywhere.begin(), everywhere.end(), std::size_t{0});
  if (auto const d = first_overfull(made.use, view, base, everywhere))
    return overfull(view[*d], made.use[*d].placed, base, view.capacity(*d), work, proposal.label);
  return made;
}

}  // namespace gpuplace::detail
