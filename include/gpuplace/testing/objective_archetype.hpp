#pragma once
/// @file
/// The least that an objective may be.

#include <gpuplace/placement/split_objective.hpp>

#include <optional>
#include <string_view>

namespace gpuplace::testing {

/// Offers what `split_objective` asks for and nothing more: no default constructor, no assignment. Wants few hops.
class archetype_objective {
public:
  static constexpr std::string_view name = "archetype";

  static archetype_objective make() { return archetype_objective(0); }
  archetype_objective(archetype_objective const&) = default;
  archetype_objective& operator=(archetype_objective const&) = delete;

  std::optional<found_split> solve(split_search& search) const { return search.least({}, {.hop = 1}); }
  double bound(split_problem const&) const { return 0; }

private:
  explicit archetype_objective(int) {}
};
static_assert(check_split_objective<archetype_objective>());

}  // namespace gpuplace::testing
