// expected-error {{"an objective needs:  std::optional<gpuplace::found_split> solve("}}
#include <gpuplace/placement/split_objective.hpp>

struct objective {
  static constexpr std::string_view name = "objective";
  double bound(gpuplace::split_problem const&) const;
};
constexpr bool checked = gpuplace::check_split_objective<objective>();
