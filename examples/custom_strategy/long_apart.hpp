// A router of one's own, with a setting.
#pragma once
#include <gpuplace/routing/available.hpp>
#include <gpuplace/routing/routing_strategy.hpp>

/// Sends prompts of `tokens` tokens and more to the last instance, and the others in turn to the rest: nobody with a short
/// question waits behind a long document.
struct long_apart {
  static constexpr std::string_view name = "long_apart";
  std::size_t tokens = 1024;

  gpuplace::decision route(gpuplace::routing_request const& request, gpuplace::fleet_view const& fleet) const {
    auto const instances = available_count(fleet);
    if (instances == 0) return gpuplace::decision::none();
    bool const last = instances == 1 || request.prompt_tokens >= tokens;
    return gpuplace::decision::to(nth_available(fleet, last ? instances - 1 : request.index % (instances - 1)));
  }
};
static_assert(gpuplace::check_routing_strategy<long_apart>());
