// expected-error {{"a routing strategy must be movable"}}
#include <gpuplace/routing/routing_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  strategy(strategy&&) = delete;
  gpuplace::decision route(gpuplace::routing_request const&, gpuplace::fleet_view const&) const;
};
constexpr bool checked = gpuplace::check_routing_strategy<strategy>();
