// expected-error {{"a routing strategy needs a name: write  static constexpr std::string_view name"}}
#include <gpuplace/routing/routing_strategy.hpp>

struct strategy {
  gpuplace::decision route(gpuplace::routing_request const&, gpuplace::fleet_view const&) const;
};
constexpr bool checked = gpuplace::check_routing_strategy<strategy>();
