#pragma once
/// @file
/// Norms, rotary positions and the gated activation. For vector_kernels.cpp alone.

#include "vector_math.hpp"

namespace gpuplace::torch_cpu {
namespace {

template <class T>
inline float sum_of_squares(T const* x, std::int64_t count) {
  vec squares{};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    vec const v = load(x + i);
    squares += v * v;
  }
  float total = sum(squares);
  for (; i < count; ++i) total += widen(x[i]) * widen(x[i]);
  return total;
}

/// The order of roundings is transformers': the normalised number is rounded to T before the weight is applied.
template <class T>
inline void normalise(T const* x, T const* weight, float epsilon, T* out, std::int64_t count) {
  float const scale = 1.0f / __builtin_sqrtf(sum_of_squares(x, count) / static_cast<float>(count) + epsilon);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    T stored[lanes];
    store(load(x + i) * scale, stored);
    store(load(stored) * load(weight + i), out + i);
  }
  for (; i < count; ++i) narrow(rounded<T>(widen(x[i]) * scale) * widen(weight[i]), out[i]);
}

template <class T>
inline void add_to(T* x, T const* added, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(load(x + i) + load(added + i), x + i);
  for (; i < count; ++i) narrow(widen(x[i]) + widen(added[i]), x[i]);
}

template <class T>
void rms_norm(T* x, T const* added, T const* weight, float epsilon, T* out, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row) {
    auto const at = row * columns;
    if (added) add_to(x + at, added + at, columns);
    normalise(x + at, weight, epsilon, out + at, columns);
  }
}

/// Numbers i and i + half of a head are one plane of rotation.
template <class T>
inline void rotate(T* head, float const* cosines, float const* sines, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + lanes <= half; i += lanes) {
    vec const a = load(head + i), b = load(head + half + i), c = load(cosines + i), s = load(sines + i);
    store(a * c - b * s, head + i);
    store(b * c + a * s, head + half + i);
  }
  for (; i < half; ++i) {
    float const a = widen(head[i]), b = widen(head[half + i]);
    narrow(a * cosines[i] - b * sines[i], head[i]);
    narrow(b * cosines[i] + a * sines[i], head[half + i]);
  }
}

template <class T>
void rope(rope_task<T> const& t, std::int64_t token_begin, std::int64_t token_end) {
  auto const [heads, kv_heads, head_dim] = t.shape;
  std::int64_t const half = head_dim / 2, kv_width = kv_heads * head_dim;
  for (std::int64_t token = token_begin; token < token_end; ++token) {
    T* const row = t.qkv + token * (heads + 2 * kv_heads) * head_dim;
    float const* const cosines = t.cosines + t.positions[token] * half;
    float const* const sines = t.sines + t.positions[token] * half;
    for (std::int64_t head = 0; head < heads + kv_heads; ++head) {
      T* const x = row + head * head_dim;
      if (t.query_norm) normalise(x, head < heads ? t.query_norm : t.key_norm, t.epsilon, x, head_dim);
      rotate(x, cosines, sines, half);
    }
    auto const bytes = static_cast<std::size_t>(kv_width) * sizeof(T);
    std::memcpy(t.keys + t.cache_rows[token] * kv_width, row + heads * head_dim, bytes);
    std::memcpy(t.values + t.cache_rows[token] * kv_width, row + (heads + kv_heads) * head_dim, bytes);
  }
}

template <class T>
void silu_multiply(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row) {
    T const* const gate = gate_up + row * 2 * columns;
    T const* const up = gate + columns;
    T* const to = out + row * columns;
    std::int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
      vec const g = load(gate + i);
      store(g / (1.0f + exponential(-g)) * load(up + i), to + i);
    }
    for (; i < columns; ++i) {
      float const g = widen(gate[i]);
      narrow(g / (1.0f + exponential(-g)) * widen(up[i]), to[i]);
    }
  }
}

}  // namespace
}  // namespace gpuplace::torch_cpu
