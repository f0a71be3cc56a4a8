#pragma once
/// @file
/// Vectors of floats in the width of the level that is compiled. For vector_kernels.cpp alone: everything has internal linkage,
/// because each level compiles its own.

#include "vector_kernels.hpp"

#include <cstdint>
#include <cstring>

namespace gpuplace::torch_cpu {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

using vec [[gnu::vector_size(lanes * 4)]] = float;
using int_vec [[gnu::vector_size(lanes * 4)]] = std::int32_t;
using uint_vec [[gnu::vector_size(lanes * 4)]] = std::uint32_t;
using short_vec [[gnu::vector_size(lanes * 2)]] = std::uint16_t;

inline float widen(float x) { return x; }
inline float widen(bf16 x) {
  auto const bits = static_cast<std::uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void narrow(float x, float& out) { out = x; }
/// Rounds to nearest, ties to even; a NaN stays one.
inline void narrow(float x, bf16& out) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  out.bits = x != x ? std::uint16_t{0x7fc0} : static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// What `x` is after it has been stored as T.
template <class T>
inline float rounded(float x) {
  T stored;
  narrow(x, stored);
  return widen(stored);
}

inline vec splat(float x) { return vec{} + x; }

inline vec load(float const* from) {
  vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline vec load(bf16 const* from) {
  short_vec s;
  std::memcpy(&s, from, sizeof s);
  uint_vec const wide = __builtin_convertvector(s, uint_vec) << 16;
  return reinterpret_cast<vec>(wide);
}

inline void store(vec v, float* to) { std::memcpy(to, &v, sizeof v); }
inline void store(vec v, bf16* to) {
  auto const bits = reinterpret_cast<uint_vec>(v);
  uint_vec const near = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  int_vec const is_nan = v != v;
  auto const nan = reinterpret_cast<uint_vec>(is_nan);
  short_vec const s = __builtin_convertvector((near & ~nan) | (0x7fc0 & nan), short_vec);
  std::memcpy(to, &s, sizeof s);
}

inline vec choose(int_vec mask, vec yes, vec no) {
  int_vec const picked = (reinterpret_cast<int_vec>(yes) & mask) | (reinterpret_cast<int_vec>(no) & ~mask);
  return reinterpret_cast<vec>(picked);
}

/// Halves are added until one lane is left: the same order at every call.
inline float sum(vec v) {
  using quarter [[gnu::vector_size(16)]] = float;
#if defined(__AVX512F__)
  using half [[gnu::vector_size(32)]] = float;
  half const h =
      __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  quarter q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#elif defined(__AVX2__)
  quarter q = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  quarter q = v;
#endif
  q += __builtin_shufflevector(q, q, 2, 3, 0, 1);
  return q[0] + q[1];
}

/// Lane i is sum(v[i]), to the bit: the same halves are added, but of all vectors at once.
inline vec sum_each(vec const (&v)[lanes]) {
#if defined(__AVX512F__)
  vec h[8], q[4], p[2];
  for (int i = 0; i < 8; ++i)
    h[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(v[2 * i], v[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  for (int i = 0; i < 4; ++i)
    q[i] = __builtin_shufflevector(h[2 * i], h[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(h[2 * i], h[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  for (int i = 0; i < 2; ++i)
    p[i] = __builtin_shufflevector(q[2 * i], q[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(q[2 * i], q[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  return __builtin_shufflevector(p[0], p[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(p[0], p[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif defined(__AVX2__)
  vec q[4], p[2];
  for (int i = 0; i < 4; ++i)
    q[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(v[2 * i], v[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
  for (int i = 0; i < 2; ++i)
    p[i] = __builtin_shufflevector(q[2 * i], q[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13) +
           __builtin_shufflevector(q[2 * i], q[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15);
  return __builtin_shufflevector(p[0], p[1], 0, 2, 4, 6, 8, 10, 12, 14) +
         __builtin_shufflevector(p[0], p[1], 1, 3, 5, 7, 9, 11, 13, 15);
#else
  vec sums{};
  for (int i = 0; i < lanes; ++i) sums[i] = sum(v[i]);
  return sums;
#endif
}

/// sum() of every vector of a tile.
template <int Rows, int Columns>
[[gnu::always_inline]] inline void sum_tile(vec const (&tile)[Rows][Columns], float (&sums)[Rows][Columns]) {
  if constexpr (Rows * Columns == lanes) {
    store(sum_each(reinterpret_cast<vec const(&)[lanes]>(tile)), &sums[0][0]);
  } else {
    for (int r = 0; r < Rows; ++r)
      for (int c = 0; c < Columns; ++c) sums[r][c] = sum(tile[r][c]);
  }
}

/// The largest lane of a vector without NaN.
inline float largest(vec v) {
  float x[lanes];
  store(v, x);
  float best = x[0];
  for (int i = 1; i < lanes; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

/// e^x: x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor series of e^r to r^7 (relative error below 1e-8), times 2^n.
/// Arguments below -87 give e^-87, those above 88 give e^88; a NaN stays one.
inline vec exponential(vec x) {
  int_vec const is_nan = x != x;
  vec const given = x;
  x = choose(x < -87.0f, splat(-87.0f), x);
  x = choose(x > 88.0f, splat(88.0f), x);
  vec const shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: the sum's low bits are the nearest integer
  vec const n = shifted - 12582912.0f;
  vec const r = (x - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
  vec p = splat(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int_vec const power = (__builtin_convertvector(n, int_vec) + 127) << 23;
  return choose(is_nan, given, p * reinterpret_cast<vec>(power));
}
inline float exponential(float x) {
  vec const v = exponential(splat(x));
  return v[0];
}

/// tanh: the Taylor series up to 1/4, where 1 - 2 / (e^2x + 1) would lose digits (relative error below 2e-7); a NaN stays one.
inline vec hyperbolic_tangent(vec x) {
  vec const square = x * x;
  vec p = splat(-1382.0f / 155925);
  p = p * square + 62.0f / 2835;
  p = p * square - 17.0f / 315;
  p = p * square + 2.0f / 15;
  p = p * square - 1.0f / 3;
  vec const small = x + x * square * p;
  vec const large = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
  int_vec const near = square < 0.0625f;
  return choose(near, small, large);
}

template <class T>
inline void widen_row(T const* from, float* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(load(from + i), to + i);
  for (; i < count; ++i) to[i] = widen(from[i]);
}

}  // namespace
}  // namespace gpuplace::torch_cpu
