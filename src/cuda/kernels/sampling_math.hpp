#pragma once
/// @file
/// The arithmetic of choosing a token, one for hosts and devices: the same token comes out wherever it is done. Probabilities are
/// whole numbers, so that a sum does not depend on its order; what computes them rounds after every operation, as IEEE 754 has it.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__CUDACC__)
#define GPUPLACE_ANYWHERE __host__ __device__
#else
#define GPUPLACE_ANYWHERE
#endif

namespace gpuplace::cuda {

/// Most tokens that one row may be forbidden on the device.
inline constexpr int most_forbidden = 8;
/// Sums of weights stay below 2^63 up to so many tokens.
inline constexpr std::int64_t most_vocabulary = 1 << 20;

/// Most tokens whose log-probabilities the device tells beside the chosen one's.
inline constexpr int most_told = 20;

/// Log-probabilities of a row.
struct told_row {
  float chosen = 0;
  std::int32_t count = 0;  ///< of the likeliest tokens, likeliest first; -1: they are to be looked for elsewhere
  std::int32_t tokens[most_told];
  float logprobs[most_told];
};

/// How a row's token is chosen, as the device reads it.
struct choice_rule {
  std::uint64_t draw = 0;          ///< uniform in all its bits
  std::uint64_t least_weight = 0;  ///< min_p
  double top_p = 1;
  double frequency = 0, presence = 0;
  float scale = 0;  ///< of distances to the largest logit, see scale_of; 0: greedy
  float repetition = 1;
  std::int32_t top_k = 0;
  std::int32_t slot = 0;
  std::int32_t history = 0;  ///< tokens of the slot's text that are penalised; 0: none
  std::int32_t prompt = 0;   ///< so many of the history are the prompt
  std::int32_t forbidden_count = 0;
  std::int32_t forbidden[most_forbidden] = {};
  std::int32_t logprobs = -1;  ///< so many of the likeliest tokens are told; -1: nothing is. Not for rules that adjust

  GPUPLACE_ANYWHERE bool greedy() const { return scale == 0; }
  GPUPLACE_ANYWHERE bool adjusts() const { return history > 0 || forbidden_count > 0; }
};
static_assert(sizeof(choice_rule) % 8 == 0);

// ---- operations that no compiler may join into one

GPUPLACE_ANYWHERE inline float times(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
GPUPLACE_ANYWHERE inline float plus(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}
GPUPLACE_ANYWHERE inline double times(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
GPUPLACE_ANYWHERE inline double plus(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}
GPUPLACE_ANYWHERE inline std::uint32_t bits_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  return std::bit_cast<std::uint32_t>(x);
#endif
}
GPUPLACE_ANYWHERE inline float float_of(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

// ---- the order of logits

/// Larger for larger logits, equal for equal ones, the two zeros among them; NaN above all.
GPUPLACE_ANYWHERE inline std::uint32_t rank_of(float logit) {
  if (logit != logit) return ~0u;
  auto const bits = bits_of(plus(logit, 0.0f));  // -0 becomes 0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
GPUPLACE_ANYWHERE inline float logit_of(std::uint32_t rank) { return float_of(rank & 0x80000000u ? rank & 0x7fffffffu : ~rank); }

/// Whether a row whose largest logit has this rank can be chosen from: it is a finite number.
GPUPLACE_ANYWHERE inline bool can_choose(std::uint32_t rank) {
  return rank < 0xff800000u && rank > 0x007fffffu;  // the ranks of the infinities
}

// ---- penalties

GPUPLACE_ANYWHERE inline float repeated(float logit, float repetition) {
#if defined(__CUDA_ARCH__)
  return logit < 0 ? __fmul_rn(logit, repetition) : __fdiv_rn(logit, repetition);
#else
  return logit < 0 ? logit * repetition : logit / repetition;
#endif
}
/// @param answered  how often the token stands in the answer, at least once
GPUPLACE_ANYWHERE inline float answered_before(float logit, double frequency, double presence, std::int32_t answered) {
  return plus(logit, -static_cast<float>(plus(times(frequency, static_cast<double>(answered)), presence)));
}

// ---- probabilities as whole numbers

/// The weight of the likeliest token; others have their probability beside it, as part of this.
inline constexpr std::uint64_t full_weight = std::uint64_t{1} << 42;

/// What distances between logits are multiplied with at a temperature above 0.
inline float scale_of(double temperature) {
  constexpr double most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::min();
  double const scale = 1.4426950408889634 / temperature;
  return static_cast<float>(scale > most ? most : scale < least ? least : scale);
}

/// full_weight * 2^-(distance * scale), good to a few parts in a million; 0 where that is less than half.
GPUPLACE_ANYWHERE inline std::uint64_t weight_of(float distance, float scale) {
  float const y = times(distance, scale);
  if (!(y < 43.0f)) return 0;
  constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: added to a number, its last bits are the whole part
  float const shifted = plus(y, rounder);
  auto const whole = static_cast<int>(bits_of(shifted) - 0x4b400000u);
  float const rest = plus(plus(shifted, -rounder), -y);  // [-1/2, 1/2], exact
  float power = 1.5403530e-4f;                           // 2^rest by its Taylor series
  power = plus(times(power, rest), 1.3333558e-3f);
  power = plus(times(power, rest), 9.6181291e-3f);
  power = plus(times(power, rest), 5.5504109e-2f);
  power = plus(times(power, rest), 2.4022651e-1f);
  power = plus(times(power, rest), 6.9314718e-1f);
  power = plus(times(power, rest), 1.0f);
  auto const bits = bits_of(power);
  auto const down = whole - (static_cast<int>(bits >> 23) - 127);  // never below 0: the distance is not
  return (static_cast<std::uint64_t>((bits & 0x7fffffu) | 0x800000u) << 19) >> down;
}

/// The least weight that min_p keeps.
inline std::uint64_t least_weight_of(double min_p) {
  if (!(min_p > 0)) return 1;
  return min_p >= 1 ? full_weight : static_cast<std::uint64_t>(std::ceil(min_p * static_cast<double>(full_weight)));
}

/// How much of `mass` top_p wants at least: 1 to mass.
GPUPLACE_ANYWHERE inline std::uint64_t wanted_of(double top_p, std::uint64_t mass) {
  auto const wanted = static_cast<std::uint64_t>(std::ceil(times(top_p, static_cast<double>(mass))));
  return wanted < 1 ? 1 : wanted > mass ? mass : wanted;
}

/// Where a draw falls in `mass`: [0, mass).
GPUPLACE_ANYWHERE inline std::uint64_t place_of(std::uint64_t draw, std::uint64_t mass) {
#if defined(__CUDA_ARCH__)
  return __umul64hi(draw, mass);
#else
  auto const high = [](std::uint64_t x) { return x >> 32; };
  auto const low = [](std::uint64_t x) { return x & 0xffffffffu; };
  auto const cross = high(draw) * low(mass) + high(low(draw) * low(mass));
  return high(draw) * high(mass) + high(cross) + high(low(draw) * high(mass) + low(cross));
#endif
}

}  // namespace gpuplace::cuda
