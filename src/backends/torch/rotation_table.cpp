#include "rotation_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <variant>

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

void scale(std::vector<float>&, std::int64_t, double, std::monostate) {}

void scale(std::vector<float>& frequencies, std::int64_t, double, linear_rope const& scaling) {
  for (auto& f : frequencies) f /= static_cast<float>(scaling.factor);
}

void scale(std::vector<float>& frequencies, std::int64_t, double, llama3_rope const& scaling) {
  for (auto& f : frequencies) f = lengthened(f, scaling);
}

/// The plane, as a fraction, that turns `turns` times in the original context.
double plane_of(double turns, std::int64_t head_dim, double theta, yarn_rope const& scaling) {
  auto const context = static_cast<double>(scaling.original_context);
  return static_cast<double>(head_dim) * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

void scale(std::vector<float>& frequencies, std::int64_t head_dim, double theta, yarn_rope const& scaling) {
  auto first = plane_of(scaling.beta_fast, head_dim, theta, scaling), last = plane_of(scaling.beta_slow, head_dim, theta, scaling);
  if (scaling.truncate) first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0);
  last = std::min(last, static_cast<double>(head_dim - 1));
  if (first == last) last += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    auto const slowed = std::clamp(static_cast<float>((static_cast<double>(i) - first) / (last - first)), 0.0f, 1.0f);
    frequencies[i] = frequencies[i] / static_cast<float>(scaling.factor) * slowed + frequencies[i] * (1 - slowed);
  }
}

}  // namespace

std::vector<float> rotation_frequencies(rotary const& how, std::int64_t head_dim) {
  std::vector<float> frequencies(static_cast<std::size_t>(head_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    auto const exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(how.theta), exponent);
  }
  std::visit([&](auto const& scaling) { scale(frequencies, head_dim, how.theta, scaling); }, how.scaling);
  return frequencies;
}

rotation_table make_rotation_table(rotary const& how, std::int64_t head_dim, std::int64_t positions) {
  auto const frequencies = rotation_frequencies(how, head_dim);
  auto const* const yarn = std::get_if<yarn_rope>(&how.scaling);
  auto const length = yarn ? static_cast<float>(yarn->attention_factor) : 1.0f;
  rotation_table table;
  for (std::int64_t position = 0; position < positions; ++position)
    for (auto const frequency : frequencies) {
      auto const angle = static_cast<float>(position) * frequency;
      table.cosines.push_back(std::cos(angle) * length);
      table.sines.push_back(std::sin(angle) * length);
    }
  return table;
}

}  // namespace gpuplace::torch_detail
