#pragma once
/// @file
/// Why a plan is as it is: room on each device, time in each stage and hop, what bounds it, and how good it could be.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/partition/objectives.hpp>
#include <gpuplace/placement/time_parts.hpp>
#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plan/tree.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace {

/// One hop between two stages of a replica.
struct explained_hop {
  path way;
  seconds time{0};
};

/// One decode step of a replica, with every sequence at its full context, in as many micro-batches as the plan has.
struct explained_replica {
  std::vector<time_parts> stages;  ///< of one micro-batch
  std::vector<explained_hop> hops;
  std::size_t slowest = 0;  ///< the stage that takes longest
  std::int64_t micro_batches = 1;
  seconds step{0};

  time_parts total() const {
    time_parts sum;
    for (auto const& s : stages) sum += s;
    for (auto const& h : hops) sum.links += h.time;
    return sum;
  }
};

/// How good a split over the replica's devices could be, with what other replicas take of them taken off.
struct split_bound {
  std::optional<seconds> step;   ///< of the fastest split; absent where none was found
  std::optional<bytes> largest;  ///< the largest stage of the most even split
  bool exact = true;             ///< false: the best of the orders of devices that were tried
};

namespace detail {

/// Groups of more devices are not searched for a better split.
inline constexpr std::size_t most_bound_devices = 64;

inline demand demand_of(model_plan const& planned) {
  return {.type = planned.type,
          .context = planned.context,
          .sequences = planned.batch,
          .weights_only = weights_only(planned),
          .head = planned.head};
}

/// As a plan's tree has it, and microseconds below one millisecond.
inline std::string time_text(seconds t) {
  if (t >= seconds{1e-3}) return duration_text(t);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.1f us", 1e6 * t.count());
  return text.data();
}

inline std::string share_text(seconds part, seconds whole) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.0f %%", whole.count() > 0 ? 100 * (part / whole) : 0.0);
  return text.data();
}

}  // namespace detail

/// The step of one replica by stages and hops.
/// @param spans  the replica's stages over `units`, with positions in `view`
inline explained_replica explain_replica(replica const& r, stages const& spans, std::vector<unit> const& units,
                                         model_plan const& planned, device_group const& view) {
  explained_replica made{.stages = {}, .hops = {}, .micro_batches = std::max(r.micro_batches, 1)};
  auto const rows = micro_batch_size(planned.batch, made.micro_batches);
  auto const work = step_work::decode(static_cast<double>(rows), static_cast<double>(planned.context));
  for (std::size_t s = 0; s < spans.size(); ++s) {
    auto const here = std::span(units).subspan(spans[s].first, spans[s].last - spans[s].first);
    made.stages.push_back(stage_time_parts(here, view[spans[s].device], work, planned.type));
    if (made.stages[s].total() > made.stages[made.slowest].total()) made.slowest = s;
    if (s + 1 == spans.size()) continue;
    auto const way = view.path(spans[s].device, spans[s + 1].device);
    made.hops.push_back({way, hop_time(here.back(), way, work)});
  }
  auto const cost = cost_of(spans, units, view, work, planned.type);
  made.step = pipelined_time(cost, busiest_device(spans, cost), made.micro_batches);
  return made;
}

/// The best split of a model over the devices that a replica of the plan uses, in any order.
/// Complexity: that of the solver; groups of more than 64 devices are not searched
inline split_bound bound_of(plan const& p, model_plan const& planned, replica const& r, stages const& spans,
                            std::vector<unit> const& units, device_group const& view) {
  std::vector<std::size_t> positions;
  std::vector<bytes> limits;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    auto const at = std::ranges::find(positions, spans[s].device);
    auto const nth = static_cast<std::size_t>(at - positions.begin());
    if (at == positions.end()) {
      auto const* const listed = find_device(p, r.stages[s].device);
      positions.push_back(spans[s].device);
      limits.push_back(view.capacity(spans[s].device) - (listed ? listed->used_bytes : bytes{}));
    }
    limits[nth] += r.stages[s].used_bytes();
  }
  split_bound bound;
  if (positions.size() > detail::most_bound_devices) return bound;
  auto const group = view.subset(positions).with_limits(limits);
  split_search search(units, group, detail::demand_of(planned), device_order::any);
  bound.exact = search.exact();
  bound.largest = search.least_memory();
  auto const found = r.micro_batches > 1 ? throughput{}.solve(search) : latency{}.solve(search);
  if (found) bound.step = seconds{found->cost};
  return bound;
}

namespace detail {

inline std::string stage_lines(replica const& r, explained_replica const& why) {
  std::string text;
  for (std::size_t s = 0; s < why.stages.size(); ++s) {
    auto const& parts = why.stages[s];
    text += "    " + to_string(r.stages[s].device) + ": " + time_text(parts.total());
    if (parts.total() > seconds{0}) text += ", " + std::string(parts.binding());
    if (why.stages.size() > 1 && s == why.slowest) text += " (slowest stage)";
    if (s < why.hops.size())
      text += ", then " + why.hops[s].way.label() + " to " + to_string(r.stages[s + 1].device) + ": " + time_text(why.hops[s].time);
    text += "\n";
  }
  return text;
}

/// "bound by memory bandwidth: 97 % of the step's 5.73 ms, links 0 %".
inline std::string binding_line(explained_replica const& why) {
  auto const parts = why.total();
  auto const whole = parts.total();
  if (whole <= seconds{0}) return "    the devices' rates are unknown: no times\n";
  auto text =
      "    bound by " + std::string(parts.binding()) + ": " + share_text(parts.largest(), whole) + " of " + time_text(whole);
  if (why.micro_batches > 1)
    text += "; " + std::to_string(why.micro_batches) + " micro-batches make a step of " + time_text(why.step);
  return text + " (memory bandwidth " + share_text(parts.memory, whole) + ", compute " + share_text(parts.compute, whole) +
         ", links " + share_text(parts.links, whole) + ", launching " + share_text(parts.launch, whole) + ")\n";
}

inline bytes largest_device(replica const& r) {
  std::map<device_id, bytes> held;
  for (auto const& s : r.stages) held[s.device] += s.used_bytes();
  bytes most;
  for (auto const& [id, amount] : held) most = std::max(most, amount);
  return most;
}

inline std::string bound_line(replica const& r, explained_replica const& why, split_bound const& bound) {
  if (r.stages.size() < 2 || !bound.step || !bound.largest) return {};
  std::string const how = bound.exact ? "exact" : "of the orders tried";
  auto const beside = [](bool reached, std::string const& best) {
    return reached ? "the best there is" : "the best split " + best;
  };
  auto const held = largest_device(r);
  auto const step_reached = why.step <= *bound.step * (1 + 1e-6);
  return "    decode step " + time_text(why.step) + "; " + beside(step_reached, time_text(*bound.step)) + " (" + how +
         ")\n    largest device " + to_string(held) + "; " + beside(held <= *bound.largest, to_string(*bound.largest)) + " (" +
         how + ")\n";
}

/// How many more sequences of full context the KV pools of a replica's stages would take; nothing without a KV cache.
inline std::optional<std::int64_t> more_sequences(model_plan const& planned, replica const& r) {
  auto least = std::numeric_limits<std::int64_t>::max();
  for (auto const& s : r.stages) {
    auto const each = s.kv_bytes.count() / std::max<std::int64_t>(planned.batch, 1);
    if (each > 0) least = std::min(least, (s.kv_pool_bytes - s.kv_bytes).count() / each);
  }
  return least == std::numeric_limits<std::int64_t>::max() ? std::nullopt : std::optional(std::max<std::int64_t>(least, 0));
}

inline std::string explained_model(plan const& p, model_plan const& planned, stages const& spans, std::vector<unit> const& units,
                                   device_group const& view) {
  auto const& r = planned.replicas.front();
  auto const why = explain_replica(r, spans, units, planned, view);
  auto text = planned.role + " " + planned.name + ": one decode step of " + std::to_string(planned.batch) + " x " +
              std::to_string(planned.context) + " tokens";
  if (planned.replicas.size() > 1) text += ", the first of " + std::to_string(planned.replicas.size()) + " replicas";
  text += "\n" + stage_lines(r, why) + binding_line(why);
  text += bound_line(r, why, bound_of(p, planned, r, spans, units, view));
  if (auto const more = more_sequences(planned, r))
    text += "    the KV pools hold " + std::to_string(*more) + " more sequence" + (*more == 1 ? "" : "s") + " of " +
            std::to_string(planned.context) + " tokens\n";
  return text;
}

inline std::string room_lines(plan const& p) {
  planned_device const* tightest = nullptr;
  std::string text = "room left\n";
  auto const room = [](planned_device const& d) { return d.capacity_bytes - d.used_bytes; };
  auto const alike = [&](std::size_t i, std::size_t j) {
    return p.devices[i].used_bytes == p.devices[j].used_bytes && p.devices[i].capacity_bytes == p.devices[j].capacity_bytes;
  };
  for (auto const& shown : abridge(p.devices.size(), alike)) {
    auto const& d = p.devices[shown.first];
    if (shown.hidden) text += "    … " + std::to_string(shown.count) + " more like it\n";
    else
      text += "    " + to_string(d.id) + ": " + to_string(room(d)) + " of " + to_string(d.capacity_bytes) +
              (d.used_bytes.count() == 0 ? " (idle)" : "") + "\n";
    if (d.used_bytes.count() > 0 && (!tightest || room(d) < room(*tightest))) tightest = &d;
  }
  if (tightest)
    text += "memory binds first on " + to_string(tightest->id) + ": " +
            percent_text(tightest->used_bytes, tightest->capacity_bytes) + " used\n";
  return text;
}

}  // namespace detail

/// The explanation of a plan, in lines for people: for each model the time of the first replica's stages and hops, what bounds
/// them, how far the split is from the best one over the same devices; the room on each device; the plan's notes.
/// @param models  one description for each of the plan's models, in its order
/// Errors:     those of validate() for a plan of another machine or model
inline result<std::string> explain(plan const& p, std::vector<model_description> const& models, device_group const& view) {
  GPUPLACE_CHECK(validate(p, models, view));
  std::string text;
  for (std::size_t m = 0; m < models.size(); ++m) {
    auto const& planned = p.models[m];
    GPUPLACE_TRY(auto const spans, detail::spans_of(planned.replicas.front(), models[m].units, view, planned.name));
    text += detail::explained_model(p, planned, spans, models[m].units, view);
  }
  text += detail::room_lines(p);
  for (auto const& note : p.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace gpuplace
