#include "rotation_table.hpp"

#include <cmath>
#include <cstddef>
#include <numbers>

namespace gpuplace::torch_detail {
namespace {

/// Slow planes are slowed by `factor`, fast ones stay, those between are blended by how often they turn in the original context.
float lengthened(float frequency, llama3_rope const& scaling) {
  auto const factor = static_cast<float>(scaling.factor);
  auto const low = static_cast<float>(scaling.low_frequency_factor), high = static_cast<float>(scaling.high_frequency_factor);
  auto const context = static_cast<float>(scaling.original_context);
  auto const wavelength = 2 * std::numbers::pi_v<float> / frequency;
  if (wavelength < context / high) return frequency;
  if (wavelength > context / low) return frequency / factor;
  auto const smooth = (context / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

}  // namespace

std::vector<float> rotation_frequencies(model_config const& config) {
  std::vector<float> frequencies(static_cast<std::size_t>(config.head_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    auto const exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(config.rope_theta), exponent);
    if (config.rope_scaling) frequencies[i] = lengthened(frequencies[i], *config.rope_scaling);
  }
  return frequencies;
}

rotation_table make_rotation_table(model_config const& config, std::int64_t positions) {
  auto const frequencies = rotation_frequencies(config);
  rotation_table table;
  for (std::int64_t position = 0; position < positions; ++position)
    for (auto const frequency : frequencies) {
      auto const angle = static_cast<float>(position) * frequency;
      table.cosines.push_back(std::cos(angle));
      table.sines.push_back(std::sin(angle));
    }
  return table;
}

}  // namespace gpuplace::torch_detail
