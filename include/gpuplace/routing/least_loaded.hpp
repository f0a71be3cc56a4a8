#pragma once
/// @file
/// Each request to the instance with the least ahead of it.

#include <gpuplace/routing/detail/movable_atomic.hpp>
#include <gpuplace/routing/routing_strategy.hpp>

#include <cstddef>
#include <string_view>

namespace gpuplace {

namespace detail {

/// Whether `a` has less to do before a new request's turn than `b`: requests first, then prompt tokens, then cache in use.
constexpr bool less_loaded(instance_load const& a, instance_load const& b) {
  auto const requests_a = a.running + a.waiting, requests_b = b.running + b.waiting;
  if (requests_a != requests_b) return requests_a < requests_b;
  if (a.queued_tokens != b.queued_tokens) return a.queued_tokens < b.queued_tokens;
  return a.kv_used < b.kv_used;
}

}  // namespace detail

/// Sends every request to the instance with the fewest requests running and waiting; of these to the one with the fewest prompt
/// tokens queued, then with the emptiest KV cache. Equals take turns, the first first.
/// For requests of very different cost, and instances of different speed; `contiguous_shards` keeps a batch's neighbours together.
/// Threads:    route from any thread
/// Complexity: O(instances), without allocation
class least_loaded {
public:
  static constexpr std::string_view name = "least_loaded";

  decision route(routing_request const&, fleet_view const& fleet) const {
    auto best = fleet.size();
    std::size_t equals = 0;
    for (std::size_t i = 0; i < fleet.size(); ++i) {
      if (!fleet[i].available) continue;
      if (best == fleet.size() || detail::less_loaded(fleet[i], fleet[best])) best = i, equals = 1;
      else if (!detail::less_loaded(fleet[best], fleet[i])) ++equals;
    }
    if (equals == 0) return decision::none();
    if (equals == 1) return decision::to(best);
    auto turn = turns_.add(1) % equals;
    auto chosen = best;
    for (; turn > 0; --turn) do
        ++chosen;
      while (!fleet[chosen].available || detail::less_loaded(fleet[best], fleet[chosen]));
    return decision::to(chosen);
  }

private:
  mutable detail::movable_atomic turns_;
};
static_assert(check_routing_strategy<least_loaded>());

}  // namespace gpuplace
