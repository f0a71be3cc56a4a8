#pragma once
// Every contiguous split of a chain over every choice and order of devices, one by one: the oracle of the solver.

#include <gpuplace/placement/micro_batches.hpp>
#include <gpuplace/placement/stage_memory.hpp>
#include <gpuplace/testing/contract.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <vector>

namespace gpuplace::testing {

// What every device holds under a split, from the same functions that place() adds up with.
inline std::vector<bytes> held(stages const& spans, std::span<unit const> units, device_group const& group, demand const& load) {
  std::vector<bytes> total(group.size());
  auto const needs = memory_of(spans, units, load);
  for (std::size_t s = 0; s < spans.size(); ++s) total[spans[s].device] += needs[s].total();
  return total;
}

inline bytes largest(stages const& spans, std::span<unit const> units, device_group const& group, demand const& load) {
  return std::ranges::max(held(spans, units, group, load));
}

inline bool keeps_limits(stages const& spans, std::span<unit const> units, device_group const& group, demand const& load) {
  auto const total = held(spans, units, group, load);
  for (std::size_t d = 0; d < group.size(); ++d)
    if (total[d] > group.capacity(d)) return false;
  return true;
}

inline double step_seconds(stages const& spans, std::span<unit const> units, device_group const& group, demand const& load) {
  auto const work = step_work::decode(static_cast<double>(load.sequences), static_cast<double>(load.context));
  return cost_of(spans, units, group, work, load.type).step().count();
}

inline double pipelined_seconds(stages const& spans, std::span<unit const> units, device_group const& group, demand const& load) {
  double best = step_seconds(spans, units, group, load);
  for (auto const count : micro_batch_counts(load.sequences, group.size())) {
    auto const work =
        step_work::decode(static_cast<double>(micro_batch_size(load.sequences, count)), static_cast<double>(load.context));
    auto const cost = cost_of(spans, units, group, work, load.type);
    best = std::min(best, pipelined_time(cost, busiest_device(spans, cost), count).count());
  }
  return best;
}

// Calls `visit` with every split that keeps the limits. A shared head goes back to the embedding's device.
inline void every_split(std::span<unit const> units, device_group const& group, demand const& load, bool any_order,
                        std::function<void(stages const&)> const& visit) {
  bool const returns = load.head == tied_head::shared && units.back().tied;
  auto const chain = units.size() - (returns ? 1 : 0);
  auto const home = static_cast<std::size_t>(std::ranges::find(units, unit_kind::embedding, &unit::kind) - units.begin());
  stages spans;
  std::vector<bool> used(group.size());
  std::function<void(std::size_t)> const extend = [&](std::size_t from) {
    if (from == chain) {
      auto whole = spans;
      if (returns) {
        auto const at = std::ranges::find_if(whole, [&](stage_span const& s) { return s.first <= home && home < s.last; })->device;
        if (whole.back().device == at) ++whole.back().last;
        else whole.push_back({.device = at, .first = chain, .last = units.size()});
      }
      if (keeps_limits(whole, units, group, load)) visit(whole);
      return;
    }
    auto const first = any_order || spans.empty() ? 0 : spans.back().device + 1;
    for (auto d = first; d < group.size(); ++d) {
      if (used[d]) continue;
      used[d] = true;
      for (auto to = from + 1; to <= chain; ++to) {
        spans.push_back({.device = d, .first = from, .last = to});
        extend(to);
        spans.pop_back();
      }
      used[d] = false;
    }
  };
  extend(0);
}

// A small chain with uneven units over a few uneven devices and links; the same seed gives the same case everywhere.
struct random_case {
  std::vector<unit> units;
  device_group group;
  demand load;

  explicit random_case(std::uint32_t seed) {
    std::mt19937 random(seed);
    auto const below = [&](std::uint32_t n) { return static_cast<std::int64_t>(random() % n); };
    auto const chain = 4 + below(4);
    bool const tower = below(5) == 0;
    auto const add = [&](unit_kind kind, std::int64_t weight) -> unit& {
      unit u;
      u.name = "u" + std::to_string(units.size());
      u.kind = kind;
      u.weight_bytes = bytes{weight};
      u.output_bytes_per_token = bytes{8};
      u.workspace_bytes_per_token = bytes{1 + below(3)};
      u.flops_per_token = static_cast<double>(weight);
      return units.emplace_back(u);
    };
    if (tower) add(unit_kind::vision, 20 + below(30)).phase = unit_phase::encode;
    auto const embedding = 10 + below(60);
    add(unit_kind::embedding, embedding).read_bytes_per_token = bytes{2};
    for (std::int64_t i = 0; i < chain; ++i) {
      auto& u = add(unit_kind::decoder_layer, 10 + below(3) * 10);
      u.kv_bytes_per_token = bytes{1 + below(2)};
      u.kv_window = below(3) == 0 ? 4 : 0;
    }
    add(unit_kind::final_norm, 1);
    add(unit_kind::head, embedding).tied = below(2) == 0;
    load.sequences = 1 + below(6);
    load.context = 4 + below(12);
    load.kv_page = 4;
    load.step_tokens = 4;
    load.weights_only = below(4) == 0;
    load.head = below(2) == 0 ? tied_head::shared : tied_head::copied;

    std::vector<device> devices(static_cast<std::size_t>(2 + below(3)));
    std::vector<bytes> limits;
    for (std::size_t d = 0; d < devices.size(); ++d) {
      bool const like_the_last = d > 0 && below(2) == 0;
      if (like_the_last) devices[d] = devices[d - 1];
      devices[d].id.index = static_cast<int>(d);
      limits.push_back(like_the_last ? limits.back() : bytes{100 + below(400)});
      if (like_the_last) continue;
      devices[d].memory_bandwidth = gigabytes_per_second{static_cast<double>(1 + below(3))};
      devices[d].peak_bf16 = teraflops{static_cast<double>(1 + below(4)) * 1e-3};
      devices[d].launch_cost = seconds{1e-9 * static_cast<double>(below(3))};
    }
    std::vector<path> paths(devices.size() * devices.size());
    bool const uniform = below(3) == 0;
    for (std::size_t a = 0; a < devices.size(); ++a)
      for (std::size_t b = 0; b < a; ++b) {
        path const between{.kind = path_kind::pix,
                           .bandwidth = gigabytes_per_second{static_cast<double>(1 + (uniform ? 0 : below(4)))},
                           .latency = microseconds{1e-3 * static_cast<double>(1 + (uniform ? 0 : below(20)))}};
        paths[a * devices.size() + b] = paths[b * devices.size() + a] = between;
      }
    auto const count = devices.size();
    group = device_group(std::move(devices), [paths, count](std::size_t a, std::size_t b) {
              return paths[a * count + b];
            }).with_limits(limits);
  }
};

}  // namespace gpuplace::testing
