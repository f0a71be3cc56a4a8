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

/// The order of roundings is transformers', see norm_weight.
template <class T>
inline void normalise(T const* x, norm_weight<T> const& norm, T* out, std::int64_t count) {
  float const scale = 1.0f / __builtin_sqrtf(sum_of_squares(x, count) / static_cast<float>(count) + norm.epsilon);
  T const* const weight = norm.weight;
  std::int64_t i = 0;
  if (norm.offset) {
    for (; i + lanes <= count; i += lanes) store(load(x + i) * scale * (1.0f + load(weight + i)), out + i);
    for (; i < count; ++i) narrow(widen(x[i]) * scale * (1.0f + widen(weight[i])), out[i]);
    return;
  }
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
void rms_norm(T* x, T const* added, norm_weight<T> const& norm, T* out, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row) {
    auto const at = row * columns;
    if (added) add_to(x + at, added + at, columns);
    normalise(x + at, norm, out + at, columns);
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
      if (t.query_norm.weight) normalise(x, head < heads ? t.query_norm : t.key_norm, x, head_dim);
      rotate(x, cosines, sines, half);
    }
    auto const bytes = static_cast<std::size_t>(kv_width) * sizeof(T);
    std::memcpy(t.keys + t.cache_rows[token] * kv_width, row + heads * head_dim, bytes);
    std::memcpy(t.values + t.cache_rows[token] * kv_width, row + (heads + kv_heads) * head_dim, bytes);
  }
}

struct silu {
  static vec of(vec g) { return g / (1.0f + exponential(-g)); }
};
/// x / 2 (1 + tanh(u)) = x / (1 + e^-2u) with u = sqrt(2 / pi) (x + 0.044715 x^3).
struct gelu_tanh {
  static vec of(vec g) { return g / (1.0f + exponential(g * (1.0f + 0.044715f * g * g) * -1.5957691216057308f)); }
};

template <class Gate, class T>
inline void gate_multiply(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row) {
    T const* const gate = gate_up + row * 2 * columns;
    T const* const up = gate + columns;
    T* const to = out + row * columns;
    std::int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) store(Gate::of(load(gate + i)) * load(up + i), to + i);
    for (; i < columns; ++i) {
      vec const g = Gate::of(splat(widen(gate[i])));
      narrow(g[0] * widen(up[i]), to[i]);
    }
  }
}

template <class T>
void silu_multiply(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns) {
  gate_multiply<silu>(gate_up, out, rows, columns);
}
template <class T>
void gelu_multiply(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns) {
  gate_multiply<gelu_tanh>(gate_up, out, rows, columns);
}

template <class T>
void scale_all(T* x, float factor, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(load(x + i) * factor, x + i);
  for (; i < count; ++i) narrow(widen(x[i]) * factor, x[i]);
}

inline void softcap(float* x, float cap, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(cap * hyperbolic_tangent(load(x + i) / cap), x + i);
  for (; i < count; ++i) {
    vec const v = hyperbolic_tangent(splat(x[i] / cap));
    x[i] = cap * v[0];
  }
}

}  // namespace
}  // namespace gpuplace::torch_cpu
