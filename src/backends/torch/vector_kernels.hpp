#pragma once
/// @file
/// The arithmetic of a decoder on CPU vectors, without threads and without libtorch: plain pointers in, plain pointers out.
/// The same source is compiled once for each instruction level; the best one that the machine has is taken at run time.
/// A result depends on its own inputs alone, never on the rows or heads that are computed beside it.

#include <cstdint>
#include <span>
#include <string_view>

namespace gpuplace::torch_cpu {

/// A bfloat16 number: the upper half of an IEEE single.
struct bf16 {
  std::uint16_t bits;
};

/// out[m, n] = sum over k of x[m, k] * weight[n, k] (+ bias[n]).
template <class T>
struct linear_task {
  T const* x;         ///< [rows, columns]
  T const* weight;    ///< [outputs, columns]
  T const* bias;      ///< [outputs] or null
  T* out;             ///< [rows, outputs] in T, or null
  float* out_single;  ///< [rows, outputs] in fp32, where `out` is null
  std::int64_t rows, columns, outputs;
  std::int64_t stride;  ///< from one row of `out` to the next
};

/// Where a step's rows lie: row r has the tokens [token_begin[r], token_begin[r + 1]) at positions from first_position[r] on.
struct row_table {
  std::int32_t const* token_begin;
  std::int32_t const* first_position;
  std::int32_t const* pages;  ///< [rows, pages_per_row]
  std::int64_t pages_per_row;
  std::int64_t page_tokens;
};

struct head_shape {
  std::int64_t heads, kv_heads, head_dim;
};

/// The weight of an RMSNorm: x / rms(x), rounded to T, times `weight`; or, where the file stores the difference from 1, not
/// rounded in between and times 1 + weight. Both as transformers does it.
template <class T>
struct norm_weight {
  T const* weight;  ///< null: no norm
  float epsilon;
  bool offset;
};

/// Turns queries and keys by their positions, after normalising each head where `query_norm` is given, in place in `qkv`, and
/// stores keys and values in the cache.
template <class T>
struct rope_task {
  T* qkv;                     ///< [tokens, (heads + 2 kv_heads) * head_dim]
  norm_weight<T> query_norm;  ///< [head_dim] or null
  norm_weight<T> key_norm;
  std::int32_t const* positions;   ///< [tokens]
  std::int64_t const* cache_rows;  ///< [tokens]: page * page_tokens + offset
  float const* cosines;            ///< [context, head_dim / 2]
  float const* sines;
  T* keys;  ///< [pages * page_tokens, kv_heads, head_dim]
  T* values;
  head_shape shape;
};

/// softmax(q k^T * scale) v of every token over the positions up to its own.
template <class T>
struct attention_task {
  T const* qkv;  ///< as rope_task leaves it
  T const* keys;
  T const* values;
  T* out;  ///< [tokens, heads * head_dim]
  row_table rows;
  head_shape shape;
  std::int64_t window;  ///< positions that a token sees at most, its own counted; 0: all
  float scale;
  float softcap;  ///< scores s become softcap * tanh(s / softcap); 0: they stay
};

/// Some consecutive tokens of one row under one key head.
struct attention_block {
  std::int32_t row;
  std::int32_t kv_head;
  std::int32_t first_token;  ///< within the row
  std::int32_t tokens;
};

template <class T>
struct typed_kernels {
  /// Outputs [begin, end) of every row.
  void (*linear)(linear_task<T> const&, std::int64_t begin, std::int64_t end);
  /// x += added where `added` is given, rounded to T; then out = the norm of x. `out` may be `x`.
  void (*rms_norm)(T* x, T const* added, norm_weight<T> const&, T* out, std::int64_t rows, std::int64_t columns);
  void (*rope)(rope_task<T> const&, std::int64_t token_begin, std::int64_t token_end);
  void (*attend)(attention_task<T> const&, attention_block, float* scratch);
  /// out[t, i] = silu(gate_up[t, i]) * gate_up[t, columns + i].
  void (*silu_multiply)(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns);
  /// The same with the tanh form of GELU.
  void (*gelu_multiply)(T const* gate_up, T* out, std::int64_t rows, std::int64_t columns);
  /// x *= factor.
  void (*scale)(T* x, float factor, std::int64_t count);
};

struct vector_kernels {
  std::string_view level;
  typed_kernels<float> single;
  typed_kernels<bf16> half;
  /// x = cap * tanh(x / cap).
  void (*softcap)(float* x, float cap, std::int64_t count);
};

template <class T>
typed_kernels<T> const& kernels_for(vector_kernels const& k);
template <>
inline typed_kernels<float> const& kernels_for<float>(vector_kernels const& k) {
  return k.single;
}
template <>
inline typed_kernels<bf16> const& kernels_for<bf16>(vector_kernels const& k) {
  return k.half;
}

/// Tokens of a row that one attention_block may hold, so that its queries fit the scratch.
inline constexpr std::int64_t attention_block_queries = 48;
inline constexpr std::int64_t attention_block_keys = 64;

/// Floats of scratch that one call of `attend` needs: queries, their outputs, a block of keys and values, scores, sums.
constexpr std::int64_t attention_scratch(head_shape const& s) {
  auto const group = s.heads / s.kv_heads;
  auto const queries = group > attention_block_queries ? group : attention_block_queries;
  return queries * (2 * s.head_dim + attention_block_keys + 2) + 2 * attention_block_keys * s.head_dim;
}

/// The levels that were built and that this machine can run, the best first; never empty.
std::span<vector_kernels const* const> usable_levels();

}  // namespace gpuplace::torch_cpu
