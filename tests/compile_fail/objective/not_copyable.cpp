// expected-error {{"an objective must be copyable"}}
#include <gpuplace/placement/split_objective.hpp>

struct objective {
  static constexpr std::string_view name = "objective";
  objective(objective&&) = default;
  std::optional<gpuplace::found_split> solve(gpuplace::split_search&) const;
  double bound(gpuplace::split_problem const&) const;
};
constexpr bool checked = gpuplace::check_split_objective<objective>();
