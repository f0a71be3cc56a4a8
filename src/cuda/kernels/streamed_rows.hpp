#pragma once
/// @file
/// Products of up to 32 rows on tensor cores: one way of those that multiply_few has.

#include "kernels.hpp"

#include <vector>

namespace gpuplace::cuda {

inline constexpr int streamed_rows = 32;

std::vector<product_tiling> ring_tilings(product const& p, int rows, lane on);
cudaError_t multiply_streamed(product const& p, product_tiling const& t, void const* x, void* y, int rows, lane on);

}  // namespace gpuplace::cuda
