#pragma once
/// @file
/// Rows of logits and settings on which every way of choosing a token must agree.

#include "../../../src/cuda/kernels/sampling_math.hpp"
#include "sampler.hpp"

#include <gpuplace/runtime/random_stream.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace gpuplace::torch_tests {

using torch_detail::sample_request;

struct named_logits {
  std::string name;
  std::vector<float> logits;
};

inline std::vector<float> normal_logits(std::size_t count, float spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(count);
  for (auto& x : logits) x = normal(random);
  return logits;
}

/// Rows of one vocabulary: usual ones, ties, infinities, equal and broken ones.
inline std::vector<named_logits> rows_of(std::size_t vocabulary) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  std::vector<named_logits> rows;
  for (float const spread : {3.0f, 0.01f, 60.0f})
    rows.push_back({"normal of " + std::to_string(spread), normal_logits(vocabulary, spread, static_cast<unsigned>(vocabulary))});
  auto ties = normal_logits(vocabulary, 2, 5);
  for (auto& x : ties) x = std::round(x);
  rows.push_back({"few values", ties});
  rows.push_back({"all equal", std::vector<float>(vocabulary, -2.5f)});
  auto zeros = std::vector<float>(vocabulary, 0.0f);
  for (std::size_t i = 0; i < vocabulary; i += 3) zeros[i] = -0.0f;
  rows.push_back({"both zeros", zeros});
  auto masked = normal_logits(vocabulary, 4, 6);
  for (std::size_t i = 0; i < vocabulary; ++i)
    if (i % 5 != 2) masked[i] = -infinite;
  rows.push_back({"mostly -inf", masked});
  auto one = std::vector<float>(vocabulary, -infinite);
  one[vocabulary / 2] = -1e30f;
  rows.push_back({"one token", one});
  auto peak = normal_logits(vocabulary, 1, 7);
  peak[vocabulary - 1] = 30;
  rows.push_back({"a peak", peak});
  auto tiny = normal_logits(vocabulary, 1e-40f, 8);
  rows.push_back({"denormal", tiny});
  auto broken = normal_logits(vocabulary, 3, 9);
  broken[vocabulary / 3] = std::nanf("");
  rows.push_back({"NaN", broken});
  rows.push_back({"all -inf", std::vector<float>(vocabulary, -infinite)});
  auto above = normal_logits(vocabulary, 3, 10);
  above[1] = infinite;
  rows.push_back({"inf", above});
  return rows;
}

inline std::vector<sampling> settings_to_try() {
  return {{},
          {.temperature = 1},
          {.temperature = 0.7, .top_p = 0.8, .top_k = 20},
          {.temperature = 1, .top_p = 0.95},
          {.temperature = 1.3, .top_p = 1e-9},
          {.temperature = 1, .top_p = 0.5, .min_p = 0.05},
          {.temperature = 1, .top_k = 1},
          {.temperature = 2, .top_k = 5},
          {.temperature = 1, .top_k = 700},
          {.temperature = 1, .top_p = 0.99, .top_k = 30000},
          {.temperature = 1.5, .min_p = 0.1},
          {.temperature = 1, .min_p = 1},
          {.temperature = 1e-6, .top_p = 0.9},
          {.temperature = 1e-300},
          {.temperature = 1e6, .top_p = 0.9},
          {.temperature = 1e300, .top_k = 3}};
}

inline std::string describe(sampling const& how) {
  return "temperature " + std::to_string(how.temperature) + " top_p " + std::to_string(how.top_p) + " top_k " +
         std::to_string(how.top_k) + " min_p " + std::to_string(how.min_p) + " penalties " +
         std::to_string(how.repetition_penalty) + ' ' + std::to_string(how.frequency_penalty) + ' ' +
         std::to_string(how.presence_penalty);
}

}  // namespace gpuplace::torch_tests
