#pragma once
/// @file
/// Registries with the strategies that come with gpuplace.

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/allocation/read_lora_groups.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/plan/read_device_map.hpp>
#include <gpuplace/plugin/any_allocation.hpp>
#include <gpuplace/plugin/any_partition.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/plugin/registry.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/routing/least_loaded.hpp>
#include <gpuplace/routing/round_robin.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// The most devices, replicas or shares that a spec may name: beyond any machine, far from overflow.
inline constexpr std::int64_t most_devices = 1'000'000;

template <class Any>
void add_builtin(registry<Any>& to, std::string_view name, std::string usage, std::string description,
                 typename registry<Any>::factory make) {
  [[maybe_unused]] auto const added = to.add(std::string(name), std::move(usage), std::move(description), std::move(make));
  assert(added);
}

/// A strategy `S` that takes no arguments.
template <class S, class Any>
void add_plain(registry<Any>& to, std::string description) {
  add_builtin(to, S::name, std::string(S::name), std::move(description), [](spec const& asked) -> result<Any> {
    GPUPLACE_CHECK(asked.allow(0));
    return Any(S{});
  });
}

inline result<any_allocation> make_data_parallel(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1, {"devices"}));
  data_parallel made;
  if (asked.find(0)) {
    GPUPLACE_TRY(auto const replicas, asked.integer(0, 1, most_devices));
    made.replicas = static_cast<std::size_t>(replicas);
  }
  if (asked.find("devices")) {
    GPUPLACE_TRY(auto const devices, asked.integer("devices", 1, most_devices));
    made.devices = static_cast<std::size_t>(devices);
  }
  return any_allocation(made);
}

/// The text, or the file that it names.
inline result<lora_groups> read_lora_groups(std::string const& text) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(text, ignored)) return parse_lora_groups(text);
  GPUPLACE_TRY(auto const content, read_text_file(text));
  return parse_lora_groups(content, text);
}

inline result<any_allocation> make_lora_groups(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1, {"instances", "slots"}));
  GPUPLACE_TRY(auto const text, asked.text(0));
  GPUPLACE_TRY(auto made, read_lora_groups(text));
  if (asked.find("instances")) {
    GPUPLACE_TRY(auto const instances, asked.integer("instances", 1, most_devices));
    made.instances = static_cast<std::size_t>(instances);
  }
  if (asked.find("slots")) {
    GPUPLACE_TRY(auto const slots, asked.integer("slots", 1, most_devices));
    made.slots = static_cast<std::size_t>(slots);
  }
  return any_allocation(std::move(made));
}

inline result<any_allocation> make_ratio(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  GPUPLACE_TRY(auto const shares, asked.integers(0, 1, most_devices));
  return any_allocation(ratio(std::vector<std::size_t>(shares.begin(), shares.end())));
}

/// `balanced` and `balanced_low_0`, with `(reorder)` or without.
template <class S>
result<any_partition> make_balanced(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  if (asked.arguments.empty()) return any_partition(S{});
  GPUPLACE_TRY(auto const word, asked.text(0));
  if (word == "reorder") return any_partition(S{.reorder = true});
  return error{errc::invalid_argument, "'" + word + "' is not an order", std::string(S::name),
               "write " + std::string(S::name) + " or " + std::string(S::name) + "(reorder)"};
}

inline result<any_partition> make_optimal(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  if (asked.arguments.empty()) return any_partition(optimal<throughput>{});
  GPUPLACE_TRY(auto const word, asked.text(0));
  if (word == throughput::name) return any_partition(optimal<throughput>{});
  if (word == latency::name) return any_partition(optimal<latency>{});
  if (word == balance_memory::name) return any_partition(optimal<balance_memory>{});
  if (word == fewest_devices::name) return any_partition(optimal<fewest_devices>{});
  return error{errc::invalid_argument, "'" + word + "' is not an objective", "partition optimal",
               "write optimal(throughput), optimal(latency), optimal(balance_memory) or optimal(fewest_devices)"};
}

inline result<any_partition> make_manual(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  GPUPLACE_TRY(auto const text, asked.text(0));
  GPUPLACE_TRY(auto map, read_device_map(text));
  return any_partition(manual{std::move(map)});
}

}  // namespace detail

/// `auto`, `data_parallel`, `one_group`, `ratio`, `separate`, `same`, `lora_groups`.
inline registry<any_allocation> builtin_allocations() {
  registry<any_allocation> known("allocation");
  detail::add_plain<auto_allocation>(known, "the fastest of what the others propose");
  detail::add_builtin(
      known, data_parallel::name, "data_parallel(N)",
      "N replicas on the best-linked devices, without N as many as fit; data_parallel(N,devices=D) of D devices each",
      detail::make_data_parallel);
  detail::add_plain<one_group>(known, "one replica that may use all devices");
  detail::add_builtin(known, ratio::name, "ratio(A:B)", "A shares of the devices for the first model, B for the second, and so on",
                      detail::make_ratio);
  detail::add_plain<separate>(known, "one device for each model");
  detail::add_plain<same>(known, "all models on the same device");
  detail::add_builtin(known, lora_groups::name, "lora_groups(ADAPTERS,instances=N,slots=N)",
                      "adapters onto replicas by their load: sql*3:chat, a map with groups in quotes, or a file",
                      detail::make_lora_groups);
  return known;
}

/// `auto`, `whole`, `even`, `sequential`, `balanced`, `balanced_low_0`, `optimal`, `manual`.
inline registry<any_partition> builtin_partitions() {
  registry<any_partition> known("partition");
  detail::add_plain<auto_partition>(known, "whole on one device, even on several");
  detail::add_plain<whole>(known, "all of a replica on one device");
  detail::add_plain<even>(known, "the same number of layers on every device of a replica");
  detail::add_plain<sequential>(known, "each device filled in order");
  detail::add_builtin(known, balanced::name, "balanced(reorder)",
                      "the largest device as small as it can be; with (reorder) in the best order of devices",
                      detail::make_balanced<balanced>);
  detail::add_builtin(known, balanced_low_0::name, "balanced_low_0(reorder)",
                      "as little as fits on the first device, the rest balanced over the others",
                      detail::make_balanced<balanced_low_0>);
  detail::add_builtin(known, optimal<>::name, "optimal(OBJECTIVE)",
                      "the best split and order by throughput, latency, balance_memory or fewest_devices", detail::make_optimal);
  detail::add_builtin(known, manual::name, "manual(MAP)",
                      "where a device_map says: cuda:0, {'model': 0, 'lm_head': 1} in quotes, or a file", detail::make_manual);
  return known;
}

/// `contiguous_shards`, `round_robin`, `least_loaded`.
inline registry<any_routing> builtin_routings() {
  registry<any_routing> known("routing");
  detail::add_plain<contiguous_shards>(known, "one consecutive part of the batch for each instance");
  detail::add_plain<round_robin>(known, "one request to each instance in turn");
  detail::add_plain<least_loaded>(known, "each request to the instance with the fewest ahead of it");
  return known;
}

}  // namespace gpuplace
