#pragma once
/// @file
/// The concept of a router: which instance takes this request?

#include <gpuplace/core/named.hpp>
#include <gpuplace/routing/decision.hpp>
#include <gpuplace/routing/fleet_view.hpp>

#include <concepts>
#include <cstddef>

namespace gpuplace {

/// What came of a request, for routers that learn.
struct outcome {
  std::size_t instance = 0;
  bool succeeded = true;
  std::size_t completion_tokens = 0;
  double seconds = 0;
};

/// `s.route(request, fleet)` gives a `decision`. It is called from many threads at once, so it is const.
template <class S>
concept has_route = requires(S const& s, routing_request const& request, fleet_view const& fleet) {
  { s.route(request, fleet) } -> std::same_as<decision>;
};

/// Optional: `s.begin(count)` is told how many requests a batch has before the first is routed.
template <class S>
concept has_begin = requires(S& s, std::size_t count) { s.begin(count); };

/// Optional: `s.observe(outcome)` is told what came of each request.
template <class S>
concept has_observe = requires(S const& s, outcome const& o) { s.observe(o); };

/// Whether a router cuts a batch up by its length. An erased router says so by a member `wants_count`.
template <class S>
constexpr bool wants_count([[maybe_unused]] S const& s) {
  if constexpr (requires {
                  { s.wants_count } -> std::convertible_to<bool>;
                })
    return s.wants_count;
  else return has_begin<S>;
}

/// Which instance takes this request? `route` is thread-safe, does not block, and allocates nothing once warm.
/// Routers are movable; state that changes as they route (a counter) is atomic and mutable.
template <class S>
concept routing_strategy = has_name<S> && has_route<S> && std::movable<S>;

/// True, or a compile error that says what to write.
template <class S>
consteval bool check_routing_strategy() {
  static_assert(std::movable<S>, "a routing strategy must be movable: a deployment takes it over");
  static_assert(has_name<S>, "a routing strategy needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(
      has_route<S>,
      "a routing strategy needs:  gpuplace::decision route(gpuplace::routing_request const&, gpuplace::fleet_view const&) const; "
      "it is const because many threads route at once: keep counters in mutable atomics");
  return routing_strategy<S>;
}

}  // namespace gpuplace
