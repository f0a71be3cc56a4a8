// expected-error {{"an objective needs:  double bound("}}
#include <gpuplace/placement/split_objective.hpp>

struct objective {
  static constexpr std::string_view name = "objective";
  std::optional<gpuplace::found_split> solve(gpuplace::split_search&) const;
};
constexpr bool checked = gpuplace::check_split_objective<objective>();
