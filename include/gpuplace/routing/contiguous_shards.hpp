#pragma once
/// @file
/// A batch cut into consecutive shards, one for each instance.

#include <gpuplace/routing/available.hpp>
#include <gpuplace/routing/detail/movable_atomic.hpp>
#include <gpuplace/routing/routing_strategy.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <string_view>
#include <vector>

namespace gpuplace {

/// Indices [first, last) of a batch.
struct index_range {
  std::size_t first = 0;
  std::size_t last = 0;

  constexpr std::size_t size() const { return last - first; }
  constexpr bool empty() const { return first == last; }
  friend bool operator==(index_range const&, index_range const&) = default;
};

/// The share of instance `i` when `count` requests go to `instances` in equal, consecutive parts; a remainder goes to
/// the first instances, one request each.
constexpr index_range shard_of(std::size_t count, std::size_t instances, std::size_t i) {
  assert(i < instances);
  auto const share = count / instances;
  auto const remainder = count % instances;
  auto const first = i * share + std::min(i, remainder);
  return {first, first + share + (i < remainder ? 1 : 0)};
}

/// The shares of all instances, in order.
inline std::vector<index_range> shard_of(std::size_t count, std::size_t instances) {
  std::vector<index_range> shards(instances);
  for (std::size_t i = 0; i < instances; ++i) shards[i] = shard_of(count, instances, i);
  return shards;
}

/// Which instance's share holds `index`; the inverse of shard_of.
constexpr std::size_t shard_with(std::size_t index, std::size_t count, std::size_t instances) {
  assert(index < count && instances > 0);
  auto const share = count / instances;
  auto const larger = (count % instances) * (share + 1);
  return index < larger ? index / (share + 1) : count % instances + (index - larger) / share;
}

/// Gives every instance one consecutive shard of a batch: 100 requests over 4 are 0-24, 25-49, 50-74, 75-99.
/// For a batch whose requests cost about the same; `least_loaded` evens out requests that do not. Instances that take no
/// requests are skipped. A request beyond the count that `begin` gave goes to instance index modulo instances, and
/// requests that come alone go to the instances in turn.
/// Threads:    route from any thread; `begin` before the batch it counts
/// Complexity: O(instances), without allocation
class contiguous_shards {
public:
  static constexpr std::string_view name = "contiguous_shards";

  void begin(std::size_t count) { count_.store(count); }

  decision route(routing_request const& request, fleet_view const& fleet) const {
    auto const instances = available_count(fleet);
    if (instances == 0) return decision::none();
    if (request.alone) return decision::to(nth_available(fleet, alone_.add(1) % instances));
    auto const count = count_.load();
    auto const shard = request.index < count ? shard_with(request.index, count, instances) : request.index % instances;
    return decision::to(nth_available(fleet, shard));
  }

private:
  detail::movable_atomic count_;
  mutable detail::movable_atomic alone_;
};
static_assert(check_routing_strategy<contiguous_shards>() && has_begin<contiguous_shards>);

}  // namespace gpuplace
