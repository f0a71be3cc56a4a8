#pragma once
/// @file
/// Linear layers by dot products: a weight row is read once for a tile of rows, and never repacked.
/// For vector_kernels.cpp alone.

#include "vector_math.hpp"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace gpuplace::torch_cpu {
namespace {

/// One step of dot products along the columns: `width` numbers of both sides into one vector of partial sums.
template <class T>
struct dot_step {
  static constexpr int width = lanes;
  static vec read(T const* from) { return load(from); }
  static void accumulate(vec& sums, vec a, vec b) { sums += a * b; }
};

#if defined(__AVX512BF16__)
/// Pairs of bf16 are multiplied and added in fp32 by one instruction.
template <>
struct dot_step<bf16> {
  static constexpr int width = 32;
  static __m512i read(bf16 const* from) { return _mm512_loadu_si512(from); }
  static void accumulate(vec& sums, __m512i a, __m512i b) {
    sums = reinterpret_cast<vec>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sums), reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)));
  }
};
#endif

template <class T>
inline void put(linear_task<T> const& t, std::int64_t row, std::int64_t output, float value) {
  if (t.bias) value += widen(t.bias[output]);
  auto const at = row * t.stride + output;
  if (t.out) {
    narrow(value, t.out[at]);
  } else {
    t.out_single[at] = value;
  }
}

/// Rows [row, row + Rows) times weight rows [output, output + Outputs).
template <int Rows, int Outputs, class T>
[[gnu::always_inline]] inline void dot_tile(linear_task<T> const& t, std::int64_t row, std::int64_t output) {
  using step = dot_step<T>;
  vec sums[Rows][Outputs] = {};
  T const* const x = t.x + row * t.columns;
  T const* const w = t.weight + output * t.columns;
  std::int64_t const whole = t.columns / step::width * step::width;
  for (std::int64_t k = 0; k < whole; k += step::width) {
    decltype(step::read(x)) ours[Rows];
    for (int r = 0; r < Rows; ++r) ours[r] = step::read(x + r * t.columns + k);
    for (int o = 0; o < Outputs; ++o) {
      auto const theirs = step::read(w + o * t.columns + k);
      for (int r = 0; r < Rows; ++r) step::accumulate(sums[r][o], ours[r], theirs);
    }
  }
  float values[Rows][Outputs];
  sum_tile(sums, values);
  for (int r = 0; r < Rows; ++r)
    for (int o = 0; o < Outputs; ++o) {
      for (std::int64_t k = whole; k < t.columns; ++k) values[r][o] += widen(x[r * t.columns + k]) * widen(w[o * t.columns + k]);
      put(t, row + r, output + o, values[r][o]);
    }
}

template <int Rows, int Outputs, class T>
inline void dot_outputs(linear_task<T> const& t, std::int64_t row, std::int64_t begin, std::int64_t end) {
  for (; begin + Outputs <= end; begin += Outputs) dot_tile<Rows, Outputs>(t, row, begin);
  for (; begin < end; ++begin) dot_tile<Rows, 1>(t, row, begin);
}

// Tiles of as many sums as a vector has lanes: they are folded together.
#if defined(__AVX512F__)
constexpr int tile_rows = 4;
#else
constexpr int tile_rows = 2;
#endif
constexpr int tile_outputs = lanes / tile_rows, pair_outputs = lanes / 2, narrow_outputs = lanes;

/// A panel of weight rows stays in the second-level cache while all rows pass over it.
template <class T>
void linear(linear_task<T> const& t, std::int64_t begin, std::int64_t end) {
  std::int64_t const panel_bytes = 192 * 1024;
  std::int64_t panel = panel_bytes / (t.columns * static_cast<std::int64_t>(sizeof(T))) / tile_outputs * tile_outputs;
  if (panel < 4 * tile_outputs) panel = 4 * tile_outputs;
  for (std::int64_t first = begin; first < end; first += panel) {
    std::int64_t const last = first + panel < end ? first + panel : end;
    std::int64_t row = 0;
    for (; row + tile_rows <= t.rows; row += tile_rows) dot_outputs<tile_rows, tile_outputs>(t, row, first, last);
    if (tile_rows > 2 && t.rows - row == 3) dot_outputs<3, tile_outputs>(t, row, first, last), row += 3;
    if (tile_rows > 2 && t.rows - row == 2) dot_outputs<2, pair_outputs>(t, row, first, last), row += 2;
    if (t.rows - row == 1) dot_outputs<1, narrow_outputs>(t, row, first, last);
  }
}

}  // namespace
}  // namespace gpuplace::torch_cpu
