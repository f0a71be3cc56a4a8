#pragma once
/// @file
/// Contract tests of routers, for users' own ones too.

#include <gpuplace/routing/available.hpp>
#include <gpuplace/routing/routing_strategy.hpp>
#include <gpuplace/testing/contract.hpp>

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace gpuplace::testing {

namespace detail {

template <routing_strategy S>
void begin_batch(S& router, std::size_t count) {
  if constexpr (has_begin<S>) router.begin(count);
}

/// Every share goes to an instance of the fleet that takes requests, once, and the weights are the whole request.
inline result<void> check_decision(decision const& made, fleet_view const& fleet) {
  std::string const where = "routing contract, decision";
  if (!made) return broken(where, "no instance was chosen although " + std::to_string(available_count(fleet)) + " take requests");
  double weight = 0;
  for (auto const& s : made.shares()) {
    if (s.instance >= fleet.size())
      return broken(where, "instance " + std::to_string(s.instance) + " of a fleet of " + std::to_string(fleet.size()));
    if (!fleet[s.instance].available) return broken(where, "instance " + std::to_string(s.instance) + " takes no requests now");
    if (!(s.weight > 0)) return broken(where, "a share must have a weight above 0");
    for (auto const& other : made.shares())
      if (&other != &s && other.instance == s.instance)
        return broken(where, "instance " + std::to_string(s.instance) + " got two shares of one request");
    weight += s.weight;
  }
  if (made.rule() != merge_rule::first && std::abs(weight - 1) > 1e-9)
    return broken(where, "the weights of the shares sum to " + std::to_string(weight) + ", not to 1");
  if ((made.rule() == merge_rule::only) != (made.shares().size() == 1))
    return broken(where, "merge_rule::only belongs to one share, and every other rule to several");
  return {};
}

inline std::vector<instance_load> fleet_of(std::size_t size, unsigned available) {
  std::vector<instance_load> fleet(size);
  for (std::size_t i = 0; i < size; ++i) {
    fleet[i].available = (available >> i & 1U) != 0;
    fleet[i].running = static_cast<std::int64_t>(i * 7 % 3);
    fleet[i].waiting = static_cast<std::int64_t>(i * 5 % 4);
  }
  return fleet;
}

}  // namespace detail

/// For every fleet of up to six instances and every set of them that takes requests, decisions are sound, and there is
/// none where no instance takes requests.
/// @param make  gives a new router
template <class Make>
result<void> check_routes_to_available(Make make) {
  constexpr std::size_t count = 24;
  for (std::size_t size = 0; size <= 6; ++size) {
    for (unsigned mask = 0; mask < 1U << size; ++mask) {
      auto const loads = detail::fleet_of(size, mask);
      fleet_view const fleet(loads);
      auto router = make();
      detail::begin_batch(router, count);
      for (std::size_t i = 0; i < count; ++i) {
        routing_request request;
        request.index = i;
        request.prompt_tokens = i % 5 + 1;
        auto const made = router.route(request, fleet);
        if (mask == 0) {
          if (made) return broken("routing contract, decision", "an instance was chosen although none takes requests");
        } else {
          GPUPLACE_CHECK(detail::check_decision(made, fleet));
        }
      }
    }
  }
  return {};
}

/// Several threads route at once and every decision is sound. Says most under ThreadSanitizer.
template <class Make>
result<void> check_routes_from_threads(Make make) {
  constexpr std::size_t threads = 4, requests = 500;
  auto const loads = detail::fleet_of(5, 0b11011U);
  auto router = make();
  detail::begin_batch(router, threads * requests);
  std::vector<result<void>> found(threads);
  {
    std::vector<std::jthread> pool;
    for (std::size_t t = 0; t < threads; ++t)
      pool.emplace_back([&, t] {
        fleet_view const fleet(loads);
        for (std::size_t i = 0; i < requests && found[t]; ++i) {
          routing_request request;
          request.index = t * requests + i;
          found[t] = detail::check_decision(router.route(request, fleet), fleet);
        }
      });
  }
  for (auto const& one : found) GPUPLACE_CHECK(one);
  return {};
}

/// Routing allocates nothing once warm.
/// @param allocations  how often the program has allocated so far; a test program counts in its own operator new
template <class Make>
result<void> check_routes_without_allocation(Make make, std::function<std::size_t()> allocations) {
  constexpr std::size_t count = 64;
  auto const loads = detail::fleet_of(6, 0b111111U);
  fleet_view const fleet(loads);
  auto router = make();
  detail::begin_batch(router, count);
  std::size_t before = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == count / 2) before = allocations();
    routing_request request;
    request.index = i;
    (void)router.route(request, fleet);
  }
  if (auto const made = allocations() - before; made != 0)
    return broken("routing contract, allocation",
                  std::to_string(made) + " allocations while routing " + std::to_string(count / 2) + " requests",
                  "reserve in the constructor or in begin(count)");
  return {};
}

/// All clauses that need no help of the test program.
template <class Make>
result<void> check_routing(Make make) {
  GPUPLACE_CHECK(check_routes_to_available(make));
  return check_routes_from_threads(make);
}

}  // namespace gpuplace::testing
