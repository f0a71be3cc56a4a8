#pragma once
/// @file
/// The least that a routing strategy may be.

#include <gpuplace/routing/routing_strategy.hpp>

#include <string_view>

namespace gpuplace::testing {

/// Offers what `routing_strategy` asks for and nothing more: no default constructor, no copies, no optional part.
class archetype_routing {
public:
  static constexpr std::string_view name = "archetype";

  static archetype_routing make() { return archetype_routing(0); }
  archetype_routing(archetype_routing&&) = default;
  archetype_routing& operator=(archetype_routing&&) = default;

  decision route(routing_request const&, fleet_view const& fleet) const {
    for (std::size_t i = 0; i < fleet.size(); ++i)
      if (fleet[i].available) return decision::to(i);
    return decision::none();
  }

private:
  explicit archetype_routing(int) {}
};
static_assert(check_routing_strategy<archetype_routing>());
static_assert(!has_begin<archetype_routing> && !has_observe<archetype_routing>);

}  // namespace gpuplace::testing
