// expected-error {{"a routing strategy needs:  gpuplace::decision route("}}
#include <gpuplace/routing/routing_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  gpuplace::decision route(gpuplace::routing_request const&, gpuplace::fleet_view const&);
};
constexpr bool checked = gpuplace::check_routing_strategy<strategy>();
