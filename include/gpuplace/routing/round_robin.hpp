#pragma once
/// @file
/// One request to each instance in turn.

#include <gpuplace/routing/available.hpp>
#include <gpuplace/routing/detail/movable_atomic.hpp>
#include <gpuplace/routing/routing_strategy.hpp>

#include <cstddef>
#include <string_view>

namespace gpuplace {

/// Sends requests to the instances in turn, the first to instance 0.
/// For a stream of requests that cost about the same; `contiguous_shards` keeps the neighbours of a batch together.
/// Instances that take no requests are skipped, and the others still get equal shares.
/// Threads:    route from any thread
/// Complexity: O(instances), without allocation
class round_robin {
public:
  static constexpr std::string_view name = "round_robin";

  decision route(routing_request const&, fleet_view const& fleet) const {
    auto const instances = available_count(fleet);
    return instances == 0 ? decision::none() : decision::to(nth_available(fleet, next_.add(1) % instances));
  }

private:
  mutable detail::movable_atomic next_;
};
static_assert(check_routing_strategy<round_robin>());

}  // namespace gpuplace
