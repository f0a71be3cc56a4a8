#pragma once
/// @file
/// Attention over a paged cache, key block by key block with a running softmax. Blocks start at multiples of
/// attention_block_keys, so a token's result does not depend on the chunk it came in. For vector_kernels.cpp alone.

#include "vector_elementwise.hpp"
#include "vector_math.hpp"

namespace gpuplace::torch_cpu {
namespace {

/// The scratch of one attention_block, in floats.
struct attention_buffers {
  float* queries;  ///< [queries, head_dim], scaled
  float* sums;     ///< [queries, head_dim]: weighted values so far
  float* keys;     ///< [attention_block_keys, head_dim]
  float* values;
  float* scores;   ///< [queries, attention_block_keys]
  float* largest;  ///< [queries]: the running maximum
  float* total;    ///< [queries]: the running sum of weights
};

inline attention_buffers divide(float* scratch, std::int64_t queries, std::int64_t head_dim) {
  attention_buffers b{};
  auto const take = [&](std::int64_t count) {
    float* const piece = scratch;
    scratch += count;
    return piece;
  };
  b.queries = take(queries * head_dim);
  b.sums = take(queries * head_dim);
  b.keys = take(attention_block_keys * head_dim);
  b.values = take(attention_block_keys * head_dim);
  b.scores = take(queries * attention_block_keys);
  b.largest = take(queries);
  b.total = take(queries);
  return b;
}

/// Copies keys and values of positions [first, first + count) of one head out of their pages.
template <class T>
inline void gather(attention_task<T> const& t, attention_block const& block, std::int64_t first, std::int64_t count,
                   attention_buffers const& b) {
  auto const& [heads, kv_heads, head_dim] = t.shape;
  std::int32_t const* const pages = t.rows.pages + block.row * t.rows.pages_per_row;
  for (std::int64_t i = 0; i < count; ++i) {
    auto const position = first + i;
    auto const at = pages[position / t.rows.page_tokens] * t.rows.page_tokens + position % t.rows.page_tokens;
    auto const from = (at * kv_heads + block.kv_head) * head_dim;
    widen_row(t.keys + from, b.keys + i * head_dim, head_dim);
    widen_row(t.values + from, b.values + i * head_dim, head_dim);
  }
}

#if defined(__AVX512F__)
constexpr int query_tile = 4;
#else
constexpr int query_tile = 2;
#endif

/// Scores of `Queries` queries with `Keys` keys.
template <int Queries, int Keys>
[[gnu::always_inline]] inline void score_tile(attention_buffers const& b, std::int64_t query, std::int64_t key,
                                              std::int64_t head_dim) {
  vec sums[Queries][Keys] = {};
  float const* const queries = b.queries + query * head_dim;
  float const* const keys = b.keys + key * head_dim;
  std::int64_t d = 0;
  for (; d + lanes <= head_dim; d += lanes)
    for (int k = 0; k < Keys; ++k) {
      vec const theirs = load(keys + k * head_dim + d);
      for (int q = 0; q < Queries; ++q) sums[q][k] += load(queries + q * head_dim + d) * theirs;
    }
  float values[Queries][Keys];
  sum_tile(sums, values);
  for (int q = 0; q < Queries; ++q)
    for (int k = 0; k < Keys; ++k) {
      for (std::int64_t i = d; i < head_dim; ++i) values[q][k] += queries[q * head_dim + i] * keys[k * head_dim + i];
      b.scores[(query + q) * attention_block_keys + key + k] = values[q][k];
    }
}

template <int Queries>
inline void score(attention_buffers const& b, std::int64_t query, std::int64_t count, std::int64_t head_dim) {
  std::int64_t key = 0;
  for (; key + 4 <= count; key += 4) score_tile<Queries, 4>(b, query, key, head_dim);
  for (; key < count; ++key) score_tile<Queries, 1>(b, query, key, head_dim);
}

/// Turns a query's scores into weights relative to its running maximum and shrinks what it has summed so far. Keys outside of
/// [from, seen) get weight zero.
inline void weigh(attention_buffers const& b, std::int64_t query, std::int64_t from, std::int64_t seen, std::int64_t head_dim) {
  float* const scores = b.scores + query * attention_block_keys;
  auto const outside = [&](float value) {
    for (std::int64_t k = 0; k < from; ++k) scores[k] = value;
    for (std::int64_t k = seen; k < attention_block_keys; ++k) scores[k] = value;
  };
  outside(-1e30f);
  vec top = splat(b.largest[query]);
  for (std::int64_t k = 0; k < attention_block_keys; k += lanes) {
    vec const v = load(scores + k);
    top = choose(v > top, v, top);
  }
  float const highest = largest(top);
  for (std::int64_t k = 0; k < attention_block_keys; k += lanes) store(exponential(load(scores + k) - highest), scores + k);
  outside(0);
  vec total{};
  for (std::int64_t k = 0; k < attention_block_keys; k += lanes) total += load(scores + k);
  float const shrink = exponential(b.largest[query] - highest);
  b.largest[query] = highest;
  b.total[query] = b.total[query] * shrink + sum(total);
  float* const sums = b.sums + query * head_dim;
  for (std::int64_t d = 0; d < head_dim; ++d) sums[d] *= shrink;
}

/// Adds the weighted values of `count` keys to the sums of `Queries` queries.
template <int Queries>
inline void add_values(attention_buffers const& b, std::int64_t query, std::int64_t count, std::int64_t head_dim) {
  float* const sums = b.sums + query * head_dim;
  float const* const weights = b.scores + query * attention_block_keys;
  std::int64_t d = 0;
  for (; d + 4 * lanes <= head_dim; d += 4 * lanes) {
    vec acc[Queries][4];
    for (int q = 0; q < Queries; ++q)
      for (int i = 0; i < 4; ++i) acc[q][i] = load(sums + q * head_dim + d + i * lanes);
    for (std::int64_t k = 0; k < count; ++k)
      for (int i = 0; i < 4; ++i) {
        vec const value = load(b.values + k * head_dim + d + i * lanes);
        for (int q = 0; q < Queries; ++q) acc[q][i] += weights[q * attention_block_keys + k] * value;
      }
    for (int q = 0; q < Queries; ++q)
      for (int i = 0; i < 4; ++i) store(acc[q][i], sums + q * head_dim + d + i * lanes);
  }
  for (; d < head_dim; ++d)
    for (int q = 0; q < Queries; ++q)
      for (std::int64_t k = 0; k < count; ++k)
        sums[q * head_dim + d] += weights[q * attention_block_keys + k] * b.values[k * head_dim + d];
}

template <class T>
inline void finish(attention_task<T> const& t, attention_buffers const& b, std::int64_t query, T* out) {
  float const scale = 1.0f / b.total[query];
  float const* const sums = b.sums + query * t.shape.head_dim;
  for (std::int64_t d = 0; d < t.shape.head_dim; ++d) narrow(sums[d] * scale, out[d]);
}

template <class T>
void attend(attention_task<T> const& t, attention_block block, float* scratch) {
  auto const [heads, kv_heads, head_dim] = t.shape;
  std::int64_t const group = heads / kv_heads, queries = group * block.tokens;
  attention_buffers const b = divide(scratch, queries, head_dim);
  std::int64_t const first_token = t.rows.token_begin[block.row] + block.first_token;
  std::int64_t const first_position = t.rows.first_position[block.row] + block.first_token;
  for (std::int64_t q = 0; q < queries; ++q) {
    T const* const from =
        t.qkv + (first_token + q / group) * (heads + 2 * kv_heads) * head_dim + (block.kv_head * group + q % group) * head_dim;
    for (std::int64_t d = 0; d < head_dim; ++d) b.queries[q * head_dim + d] = widen(from[d]) * t.scale;
    for (std::int64_t d = 0; d < head_dim; ++d) b.sums[q * head_dim + d] = 0;
    b.largest[q] = -1e30f;
    b.total[q] = 0;
  }
  std::int64_t const end = first_position + block.tokens;
  std::int64_t const oldest = t.window > 0 && first_position + 1 > t.window ? first_position + 1 - t.window : 0;
  for (std::int64_t key = oldest / attention_block_keys * attention_block_keys; key < end; key += attention_block_keys) {
    std::int64_t const count = end - key < attention_block_keys ? end - key : attention_block_keys;
    gather(t, block, key, count, b);
    std::int64_t q = 0;
    for (; q + query_tile <= queries; q += query_tile) score<query_tile>(b, q, count, head_dim);
    for (; q < queries; ++q) score<1>(b, q, count, head_dim);
    if (t.softcap > 0)
      for (q = 0; q < queries; ++q) softcap(b.scores + q * attention_block_keys, t.softcap, count);
    for (q = 0; q < queries; ++q) {
      std::int64_t const position = first_position + q / group;
      std::int64_t const upto = position + 1 < key ? 0 : position + 1 - key;
      std::int64_t const seen = upto < count ? upto : count;
      std::int64_t const old = t.window > 0 && position + 1 - t.window > key ? position + 1 - t.window - key : 0;
      weigh(b, q, old < seen ? old : seen, seen, head_dim);
    }
    for (q = 0; q + query_tile <= queries; q += query_tile) add_values<query_tile>(b, q, count, head_dim);
    for (; q < queries; ++q) add_values<1>(b, q, count, head_dim);
  }
  for (std::int64_t q = 0; q < queries; ++q)
    finish(t, b, q, t.out + ((first_token + q / group) * heads + block.kv_head * group + q % group) * head_dim);
}

}  // namespace
}  // namespace gpuplace::torch_cpu
