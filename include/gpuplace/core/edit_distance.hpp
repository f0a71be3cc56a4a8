#pragma once
/// @file
/// How far two names are apart, and the nearest of several, for "did you mean".

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <vector>

namespace gpuplace::detail {

/// The least number of letters to insert, delete or replace that turns `a` into `b` (Levenshtein).
/// Complexity: O(|a| |b|)
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      auto const replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The candidate that `name` is most likely a slip of the keyboard for; empty when none is near. Of several the first.
/// @param candidates  a range of what converts to std::string_view and lives as long as the answer is looked at
template <class Range>
std::string_view nearest_name(std::string_view name, Range const& candidates) {
  std::size_t least = name.size() / 3 + 2;
  std::string_view nearest;
  for (std::string_view const candidate : candidates)
    if (auto const apart = edit_distance(name, candidate); apart < least) least = apart, nearest = candidate;
  return nearest;
}

}  // namespace gpuplace::detail
