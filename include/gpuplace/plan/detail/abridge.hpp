#pragma once
/// @file
/// Long lists of like things are shown by their first, a count, and their last.

#include <cstddef>
#include <vector>

namespace gpuplace::detail {

/// Items [first, first + count) of a list: one that is shown, or several that are only counted.
struct shown_items {
  std::size_t first = 0;
  std::size_t count = 1;
  bool hidden = false;

  friend bool operator==(shown_items const&, shown_items const&) = default;
};

/// Lists of up to this many items are shown whole.
inline constexpr std::size_t shown_whole = 16;

/// Hides the inner items of each run of equal neighbours, in a list of more than `shown_whole`.
/// @param alike   alike(i, j) says whether items i and j look the same but for their names
template <class Alike>
std::vector<shown_items> abridge(std::size_t size, Alike const& alike) {
  std::vector<shown_items> shown;
  for (std::size_t first = 0; first < size;) {
    auto last = first;
    while (size > shown_whole && last + 1 < size && alike(first, last + 1)) ++last;
    shown.push_back({first});
    if (last > first + 1) shown.push_back({first + 1, last - first - 1, true});
    if (last > first) shown.push_back({last});
    first = last + 1;
  }
  return shown;
}

}  // namespace gpuplace::detail
