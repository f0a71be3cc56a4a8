#include "tensor_cores.cuh"

#include <bit>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 128, keys_a_tile = 64;

struct prompt_task {
  bf16 const* qkv;
  bf16* out;
  head_shape shape;
  attention_rule rule;
  step_tokens tokens;
  paged_cache cache;
  token_tile const* tiles;
  int page_bits;  ///< page_tokens is 1 << page_bits
};

/// A block for some tokens of one row and one key-value head: the queries of its whole group, token by token, are the rows of its
/// products, 32 of them a warp. Keys and values pass through shared memory 64 positions at a time, each on its way while the other is
/// multiplied; scores stay in registers (FlashAttention-2, Dao 2023).
template <int d, bool capped>
__global__ void __launch_bounds__(threads, 2) prompt_heads(prompt_task const t) {
  constexpr int chunks = d / 8, steps = d / 16, row_tiles = 2, key_tiles = keys_a_tile / 8, value_tiles = d / 8;
  extern __shared__ __align__(128) std::byte memory[];
  auto const queries_at = shared_address(memory), keys_at = queries_at + prompt_rows * d * 2,
             values_at = keys_at + keys_a_tile * d * 2;
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y;
  int const group = t.shape.group(), heads = t.shape.heads;
  let_next_start();
  wait_for_previous();
  auto const tile = t.tiles[blockIdx.x];
  int const base = t.tokens.positions[tile.first], row = t.tokens.rows[tile.first], used = tile.count * group;
  int const end = base + tile.count, begin = t.rule.window > 0 ? max(0, base + 1 - t.rule.window) : 0;
  std::int32_t const* const pages = t.cache.pages + static_cast<std::int64_t>(row) * t.cache.stride;

  for (int i = threadIdx.x; i < prompt_rows * chunks; i += threads) {
    int const m = i / chunks, chunk = i % chunks, token = m < used ? tile.first + m / group : tile.first;
    auto const* const from = t.qkv + static_cast<std::int64_t>(token) * t.shape.width() + (h * group + m % group) * d + chunk * 8;
    copy_ahead(queries_at + swizzled<d>(m, chunk), from, m < used);
  }
  // Where the positions of a tile lie in the cache, in vectors of 16 bytes: looked up a tile ahead.
  __shared__ unsigned cells[2][keys_a_tile];
  constexpr unsigned nowhere = ~0u;
  auto const cell_of = [&](int p) {
    if (p >= end) return nowhere;
    auto const cell =
        (static_cast<unsigned>(pages[p >> t.page_bits]) << t.page_bits) + static_cast<unsigned>(p & ((1 << t.page_bits) - 1));
    return (cell * static_cast<unsigned>(t.shape.kv_heads) + static_cast<unsigned>(h)) * chunks;
  };
  auto const fetch = [&](void const* cache, unsigned to, int buffer) {
#pragma unroll
    for (int i = 0; i < keys_a_tile * chunks / threads; ++i) {
      int const r = threadIdx.x / chunks + i * (threads / chunks), chunk = threadIdx.x % chunks;
      auto const cell = cells[buffer][r];
      bool const there = cell != nowhere;
      copy_ahead(to + swizzled<d>(r, chunk), static_cast<uint4 const*>(cache) + (there ? cell + static_cast<unsigned>(chunk) : 0u),
                 there);
    }
    close_copies();
  };
  if (threadIdx.x < keys_a_tile) cells[0][threadIdx.x] = cell_of(begin + static_cast<int>(threadIdx.x));
  __syncthreads();
  fetch(t.cache.keys, keys_at, 0);

  float const scale = capped ? log2_of_e : t.rule.scale * log2_of_e;  // what makes a score the power of two that it weighs
  int last[row_tiles][2];                                             // the last position that each of this thread's rows sees
  float most[row_tiles][2], total[row_tiles][2] = {}, sum[row_tiles][value_tiles][4] = {};
#pragma unroll
  for (int i = 0; i < row_tiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      last[i][half] = min(base + (warp * 32 + i * 16 + half * 8 + lane / 4) / group, end - 1);
      most[i][half] = nothing;
    }
  int const first_of_warp = base + warp * 32 / group;

  for (int first = begin, buffer = 0; first < end; first += keys_a_tile, buffer ^= 1) {
    wait_for_copies<0>();
    __syncthreads();
    fetch(t.cache.values, values_at, buffer);
    unsigned next = nowhere;
    if (threadIdx.x < keys_a_tile) next = cell_of(first + keys_a_tile + static_cast<int>(threadIdx.x));
    float score[row_tiles][key_tiles][4] = {};
#pragma unroll
    for (int k = 0; k < steps; ++k) {
      unsigned q[row_tiles][4];
#pragma unroll
      for (int i = 0; i < row_tiles; ++i)
        load_tiles(q[i], queries_at + swizzled<d>(warp * 32 + i * 16 + lane % 16, 2 * k + lane / 16));
#pragma unroll
      for (int n = 0; n < key_tiles; n += 2) {
        unsigned b[4];
        load_tiles(b, keys_at + swizzled<d>(n * 8 + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < row_tiles; ++i) {
          multiply_add(score[i][n], q[i][0], q[i][1], q[i][2], q[i][3], b[0], b[1]);
          multiply_add(score[i][n + 1], q[i][0], q[i][1], q[i][2], q[i][3], b[2], b[3]);
        }
      }
    }
    if (threadIdx.x < keys_a_tile) cells[buffer ^ 1][threadIdx.x] = next;
    wait_for_copies<0>();
    __syncthreads();
    if (first + keys_a_tile < end) fetch(t.cache.keys, keys_at, buffer ^ 1);

    bool const all_seen = first + keys_a_tile - 1 <= first_of_warp && t.rule.window == 0;
    if (capped) {
#pragma unroll
      for (int e = 0; e < row_tiles * key_tiles * 4; ++e) {
        float& s = score[e / (key_tiles * 4)][e / 4 % key_tiles][e % 4];
        s = t.rule.softcap * tanhf(s * t.rule.scale / t.rule.softcap);
      }
    }
    if (!all_seen) {
#pragma unroll
      for (int e = 0; e < row_tiles * key_tiles * 4; ++e) {
        int const i = e / (key_tiles * 4), n = e / 4 % key_tiles, c = e % 4, p = first + n * 8 + 2 * (lane % 4) + c % 2;
        bool const seen = p <= last[i][c / 2] && (t.rule.window == 0 || p > last[i][c / 2] - t.rule.window);
        if (!seen) score[i][n][c] = nothing;
      }
    }
#pragma unroll
    for (int i = 0; i < row_tiles; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float high = most[i][half];
#pragma unroll
        for (int n = 0; n < key_tiles; ++n) high = fmaxf(high, fmaxf(score[i][n][2 * half], score[i][n][2 * half + 1]));
        high = fmaxf(high, __shfl_xor_sync(~0u, high, 1));
        high = fmaxf(high, __shfl_xor_sync(~0u, high, 2));
        float const keep = power_of_two((most[i][half] - high) * scale), shift = high == nothing ? 0 : high * scale;
        most[i][half] = high;
        float all = 0;
#pragma unroll
        for (int n = 0; n < key_tiles; ++n)
#pragma unroll
          for (int c = 0; c < 2; ++c) {
            float& s = score[i][n][2 * half + c];
            s = power_of_two(fmaf(s, scale, -shift));
            all += s;
          }
        total[i][half] = total[i][half] * keep + all;
#pragma unroll
        for (int n = 0; n < value_tiles; ++n) {
          sum[i][n][2 * half] *= keep;
          sum[i][n][2 * half + 1] *= keep;
        }
      }
#pragma unroll
    for (int k = 0; k < keys_a_tile / 16; ++k) {
      unsigned p[row_tiles][4];
#pragma unroll
      for (int i = 0; i < row_tiles; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          p[i][j] = pack_two(score[i][2 * k + j / 2][2 * (j % 2)], score[i][2 * k + j / 2][2 * (j % 2) + 1]);
#pragma unroll
      for (int n = 0; n < value_tiles; n += 2) {
        unsigned b[4];
        load_tiles_transposed(b, values_at + swizzled<d>(k * 16 + lane % 16, n + lane / 16));
#pragma unroll
        for (int i = 0; i < row_tiles; ++i) {
          multiply_add(sum[i][n], p[i][0], p[i][1], p[i][2], p[i][3], b[0], b[1]);
          multiply_add(sum[i][n + 1], p[i][0], p[i][1], p[i][2], p[i][3], b[2], b[3]);
        }
      }
    }
  }

  // Through the memory of this warp's queries, so that rows are written 16 bytes at a time.
#pragma unroll
  for (int i = 0; i < row_tiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float all = total[i][half];
      all += __shfl_xor_sync(~0u, all, 1);
      all += __shfl_xor_sync(~0u, all, 2);
      float const share = 1.0f / all;
      int const m = warp * 32 + i * 16 + half * 8 + lane / 4;
#pragma unroll
      for (int n = 0; n < value_tiles; ++n)
        *reinterpret_cast<unsigned*>(memory + swizzled<d>(m, n) + 4 * (lane % 4)) =
            pack_two(sum[i][n][2 * half] * share, sum[i][n][2 * half + 1] * share);
    }
  __syncwarp();
  for (int i = lane; i < 32 * chunks; i += 32) {
    int const m = warp * 32 + i / chunks, chunk = i % chunks;
    if (m >= used) break;
    auto* const to = t.out + (static_cast<std::int64_t>(tile.first + m / group) * heads + h * group + m % group) * d;
    reinterpret_cast<uint4*>(to)[chunk] = *reinterpret_cast<uint4 const*>(memory + swizzled<d>(m, chunk));
  }
}

template <int d, bool capped>
cudaError_t start(prompt_task const& t, int tiles, lane on) {
  auto const kernel = prompt_heads<d, capped>;
  constexpr int bytes = (prompt_rows + 2 * keys_a_tile) * d * 2;
  if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)) return failed;
  return launch(kernel, dim3(tiles, t.shape.kv_heads), threads, bytes, on, 1, t);
}

}  // namespace

bool has_prompt_attention(number type, head_shape const& shape, int page_tokens) {
  return type == number::bf16 && std::has_single_bit(static_cast<unsigned>(page_tokens)) &&
         (shape.head_dim == 64 || shape.head_dim == 128) && shape.group() <= prompt_rows;
}

cudaError_t prompt_attention(void const* qkv, head_shape const& shape, attention_rule const& rule, step_tokens const& tokens,
                             paged_cache const& cache, token_tile const* tiles, int count, void* out, lane on) {
  prompt_task const task{static_cast<bf16 const*>(qkv),
                         static_cast<bf16*>(out),
                         shape,
                         rule,
                         tokens,
                         cache,
                         tiles,
                         std::countr_zero(static_cast<unsigned>(cache.page_tokens))};
  if (rule.softcap > 0) return shape.head_dim == 64 ? start<64, true>(task, count, on) : start<128, true>(task, count, on);
  return shape.head_dim == 64 ? start<64, false>(task, count, on) : start<128, false>(task, count, on);
}

}  // namespace gpuplace::cuda
