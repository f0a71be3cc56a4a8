#pragma once
/// @file
/// Cosines and sines of rotary positions.

#include <gpuplace/model/model_config.hpp>

#include <cstdint>
#include <vector>

namespace gpuplace::torch_detail {

/// The angle that plane i of a head turns by from one position to the next, for i in [0, head_dim / 2).
/// Source:     "RoFormer" (Su et al. 2021); "YaRN" (Peng et al. 2023); the longer contexts of Llama 3.1 as its model card and
///             config.json state them
std::vector<float> rotation_frequencies(rotary const& how, std::int64_t head_dim);

/// Row-major [positions, head_dim / 2].
struct rotation_table {
  std::vector<float> cosines;
  std::vector<float> sines;
};
rotation_table make_rotation_table(rotary const& how, std::int64_t head_dim, std::int64_t positions);

}  // namespace gpuplace::torch_detail
