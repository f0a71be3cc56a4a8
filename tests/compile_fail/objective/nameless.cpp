// expected-error {{"an objective needs a name: write  static constexpr std::string_view name"}}
#include <gpuplace/placement/split_objective.hpp>

struct objective {
  std::optional<gpuplace::found_split> solve(gpuplace::split_search&) const;
  double bound(gpuplace::split_problem const&) const;
};
constexpr bool checked = gpuplace::check_split_objective<objective>();
