#pragma once
/// @file
/// The concept of an objective: what makes one split of a model over devices better than another.

#include <gpuplace/core/named.hpp>
#include <gpuplace/placement/solver/split_search.hpp>

#include <concepts>
#include <optional>

namespace gpuplace {

/// `o.solve(search)` gives the best split by this objective, with its value as the cost; nothing where no split fits.
template <class O>
concept has_solve = requires(O const& o, split_search& search) {
  { o.solve(search) } -> std::same_as<std::optional<found_split>>;
};

/// `o.bound(problem)` is a value that no split is below, found without a search.
template <class O>
concept has_bound = requires(O const& o, split_problem const& problem) {
  { o.bound(problem) } -> std::convertible_to<double>;
};

/// What makes one split better than another.
template <class O>
concept split_objective = has_name<O> && has_solve<O> && has_bound<O> && std::copy_constructible<O>;

/// True, or a compile error that says what to write.
template <class O>
consteval bool check_split_objective() {
  static_assert(std::copy_constructible<O>, "an objective must be copyable: the strategy that carries it is");
  static_assert(has_name<O>, "an objective needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_solve<O>, "an objective needs:  std::optional<gpuplace::found_split> solve(gpuplace::split_search&) const;");
  static_assert(has_bound<O>, "an objective needs:  double bound(gpuplace::split_problem const&) const;  (0 where none is known)");
  return split_objective<O>;
}

}  // namespace gpuplace
