#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace gpuplace::cli {

// The value that `part` of a sample do not exceed; the sample is not empty.
inline double percentile(std::vector<double> sample, double part) {
  auto const rank = static_cast<std::ptrdiff_t>(std::ceil(part * static_cast<double>(sample.size()))) - 1;
  auto const at = sample.begin() + std::max<std::ptrdiff_t>(0, rank);
  std::ranges::nth_element(sample, at);
  return *at;
}

}  // namespace gpuplace::cli
