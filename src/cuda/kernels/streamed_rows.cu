#include "streamed_rows.hpp"
#include "tensor_cores.cuh"

#include <cooperative_groups.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256, warps = threads / 32, tile = 16;
constexpr int ring_bytes =
    112 << 10;  ///< two blocks find room on a multiprocessor: the next kernel's fills its ring while this one ends

/// Bytes of a ring's stage: weights, rows of x and the norm's weights. A ring wants three.
constexpr int bytes_a_stage(int tiles, int width, int depth) { return ((tiles * tile + width) * depth + depth) * 2; }
constexpr bool has_room(int tiles, int width, int depth) { return 3 * bytes_a_stage(tiles, width, depth) <= ring_bytes; }

/// How a block is cut: `tiles` times 16 rows of weights by `depth` inputs at a time; warps share the tiles and, `k_warps` of them, the
/// inputs.
template <int tiles_a_warp, int k_warps, int groups, int deep>
struct cut {
  static constexpr int tile_warps = warps / k_warps, tiles = tiles_a_warp * tile_warps, rows = tiles * tile, width = 8 * groups;
  static constexpr int depth = deep, vectors = depth / 8, steps = depth / 16 / k_warps;
  static constexpr int inputs_at = rows * depth * 2, norm_at = inputs_at + width * depth * 2,
                       stage_bytes = bytes_a_stage(tiles, width, depth);
  static constexpr int stages = std::min(8, ring_bytes / stage_bytes);
  static constexpr int sum_stride = rows + 4, sum_bytes = k_warps * width * sum_stride * 4;
  static constexpr int bytes = std::max(stages * stage_bytes, sum_bytes);
};

__device__ __forceinline__ unsigned times(unsigned two, unsigned by) {
  __nv_bfloat162 const made =
      __hmul2(*reinterpret_cast<__nv_bfloat162 const*>(&two), *reinterpret_cast<__nv_bfloat162 const*>(&by));
  return *reinterpret_cast<unsigned const*>(&made);
}
__device__ __forceinline__ float squares(unsigned two) {
  float const low = __uint_as_float(two << 16), high = __uint_as_float(two & 0xffff0000u);
  return low * low + high * high;
}

/// Up to 8 * `groups` rows of x: weights and x come through a ring in shared memory, and blocks of a cluster share the inputs and join their
/// sums. Gate and up lie in a tile's two halves, so that one block has both. The norm before: inputs are multiplied by its weights on
/// their way, and the sums by 1 / rms(x) at the end.
template <int tiles_a_warp, int k_warps, int groups, int deep, bool normed>
__global__ void __launch_bounds__(threads, 2) multiply_streamed(product const p, bf16 const* x, void* y, int rows, int split) {
  using c = cut<tiles_a_warp, k_warps, groups, deep>;
  extern __shared__ __align__(128) std::byte memory[];
  __shared__ float row_squares[k_warps][c::width];
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int const part = blockIdx.x % split, group = blockIdx.x / split, half = p.outputs / 2, limit = p.gated ? half : p.outputs;
  int const chunks = (p.inputs + c::depth - 1) / c::depth, each = (chunks + split - 1) / split;
  int const first = part * each, count = max(0, min(each, chunks - first));
  unsigned const ring = shared_address(memory);

  // This thread copies the same vector of every `apart`-th row.
  constexpr int apart = threads / c::vectors;
  int const own_row = threadIdx.x / c::vectors, own_vector = threadIdx.x % c::vectors;
  int const outputs_a_tile = p.gated ? tile / 2 : tile;
  auto const* const weight = static_cast<bf16 const*>(p.weight) + first * c::depth + own_vector * 8;
  auto const* const input = x + static_cast<std::int64_t>(own_row) * p.inputs + first * c::depth + own_vector * 8;
  auto const weights_ahead = [&](int stage, int chunk) {
    if (chunk >= count) return;
    bool const inside = (first + chunk) * c::depth + own_vector * 8 < p.inputs;
#pragma unroll
    for (int j = 0; j < c::rows / apart; ++j) {
      int const r = own_row + j * apart;
      int const output = (group * c::tiles + r / tile) * outputs_a_tile + (p.gated ? r % 8 : r % tile);
      bool const there = inside && output < limit;
      auto const at = static_cast<std::int64_t>(output + (p.gated && r % tile >= 8 ? half : 0)) * p.inputs + chunk * c::depth;
      copy_ahead(ring + stage * c::stage_bytes + swizzled<c::depth>(r, own_vector), there ? weight + at : weight, there);
    }
    if (normed && threadIdx.x < c::vectors)
      copy_ahead(ring + stage * c::stage_bytes + c::norm_at + own_vector * 16,
                 static_cast<bf16 const*>(p.before.weight) + (inside ? (first + chunk) * c::depth + own_vector * 8 : 0), inside);
  };
  auto const inputs_ahead = [&](int stage, int chunk) {
    if (chunk >= count) return;
    bool const inside = (first + chunk) * c::depth + own_vector * 8 < p.inputs;
#pragma unroll
    for (int j = 0; j < (c::width + apart - 1) / apart; ++j)
      if (int const row = own_row + j * apart; row < c::width) {
        bool const there = inside && row < rows;
        copy_ahead(ring + stage * c::stage_bytes + c::inputs_at + swizzled<c::depth>(row, own_vector),
                   there ? input + static_cast<std::int64_t>(j * apart) * p.inputs + chunk * c::depth : x, there);
      }
  };

#pragma unroll
  for (int s = 0; s < c::stages - 1; ++s) weights_ahead(s, s);
  let_next_start();
  wait_for_previous();
#pragma unroll
  for (int s = 0; s < c::stages - 1; ++s) {
    inputs_ahead(s, s);
    close_copies();
  }

  int const k_part = warp % k_warps, tile_warp = warp / k_warps, first_tile = tile_warp * tiles_a_warp;
  float sum[tiles_a_warp][groups][4] = {}, square[groups] = {};
  int stage = 0, filled = c::stages - 1;
  for (int chunk = 0; chunk < count; ++chunk) {
    wait_for_copies<c::stages - 2>();
    __syncthreads();
    weights_ahead(filled, chunk + c::stages - 1);
    inputs_ahead(filled, chunk + c::stages - 1);
    close_copies();
    unsigned const weights_at = ring + stage * c::stage_bytes, inputs_at = weights_at + c::inputs_at;
#pragma unroll
    for (int s = 0; s < c::steps; ++s) {
      int const k = 2 * (k_part * c::steps + s);
      unsigned a[tiles_a_warp][4], by[2];
      if constexpr (normed) {
#pragma unroll
        for (int i = 0; i < 2; ++i)
          by[i] = *reinterpret_cast<unsigned const*>(memory + stage * c::stage_bytes + c::norm_at + (k + i) * 16 + lane % 4 * 4);
      }
#pragma unroll
      for (int i = 0; i < tiles_a_warp; ++i)
        load_tiles(a[i], weights_at + swizzled<c::depth>((first_tile + i) * tile + lane % 16, k + lane / 16));
      auto const add = [&](int n, unsigned low, unsigned high) {
        if constexpr (normed) {
          if (n % c::tile_warps == tile_warp) square[n] += squares(low) + squares(high);
          low = times(low, by[0]);
          high = times(high, by[1]);
        }
#pragma unroll
        for (int i = 0; i < tiles_a_warp; ++i) multiply_add(sum[i][n], a[i][0], a[i][1], a[i][2], a[i][3], low, high);
      };
      if constexpr (groups == 1) {
        unsigned b[2];
        load_two_tiles(b, inputs_at + swizzled<c::depth>(lane % 8, k + lane / 8 % 2));
        add(0, b[0], b[1]);
      } else {
#pragma unroll
        for (int n = 0; n < groups; n += 2) {
          unsigned b[4];
          load_tiles(b, inputs_at + swizzled<c::depth>(n * 8 + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
          add(n, b[0], b[1]);
          add(n + 1, b[2], b[3]);
        }
      }
    }
    stage = stage + 1 == c::stages ? 0 : stage + 1;
    filled = filled + 1 == c::stages ? 0 : filled + 1;
  }

  // Each warp puts down its sums, [inputs' part][x row][row of weights]: none waits for another twice.
  wait_for_copies<0>();
  __syncthreads();
  auto* const sums = reinterpret_cast<float*>(memory);
  if constexpr (normed) {
#pragma unroll
    for (int n = 0; n < groups; ++n) {
      if (n % c::tile_warps != tile_warp) continue;
      float const all = lane_sum<4>(square[n]);
      if (lane % 4 == 0) row_squares[k_part][n * 8 + lane / 4] = all;
    }
  }
#pragma unroll
  for (int i = 0; i < tiles_a_warp; ++i)
#pragma unroll
    for (int n = 0; n < groups; ++n)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        sums[(k_part * c::width + n * 8 + lane % 4 * 2 + j % 2) * c::sum_stride + (first_tile + i) * tile + lane / 4 + j / 2 * 8] =
            sum[i][n][j];

  // Four neighbouring outputs of a row are one thread's.
  constexpr int most = (c::rows / 4 * c::width + threads - 1) / threads;
  int const outputs_here = c::tiles * outputs_a_tile, share = outputs_here / split / 4;
  bool const aligned = limit % 4 == 0;
  auto const place = [&](int u, int& row, int& o) {
    int const e = threadIdx.x + u * threads;
    row = e / share;
    o = part * share * 4 + e % share * 4;
    return row < rows && group * outputs_here + o < limit;
  };
  uint2 old[most];
  if (p.add && aligned && !p.wide) {
#pragma unroll
    for (int u = 0; u < most; ++u)
      if (int row, o; place(u, row, o))
        old[u] = *reinterpret_cast<uint2 const*>(static_cast<bf16 const*>(y) + static_cast<std::int64_t>(row) * limit +
                                                 group * outputs_here + o);
  }
#if __CUDA_ARCH__ >= 900
  auto const cluster = cooperative_groups::this_cluster();
  if (split > 1) cluster.sync();
  else __syncthreads();
#else
  __syncthreads();
#endif
  // The sum of `mine` over the parts of inputs, which lie `apart` from each other, and over the blocks of the cluster: all are asked for
  // before the first is added.
  auto const joined_of = [&]<class T, int blocks>(T const* mine, int apart, auto const& add, std::integral_constant<int, blocks>) {
    T each[blocks][k_warps];
#pragma unroll
    for (int s = 0; s < blocks; ++s)
#pragma unroll
      for (int k = 0; k < k_warps; ++k) {
#if __CUDA_ARCH__ >= 900
        if constexpr (blocks > 1) each[s][k] = *cluster.map_shared_rank(mine + k * apart, s);
        else
#endif
          each[s][k] = mine[k * apart];
      }
    T all{};
#pragma unroll
    for (int s = 0; s < blocks; ++s)
#pragma unroll
      for (int k = 0; k < k_warps; ++k) add(all, each[s][k]);
    return all;
  };
  auto const joined = [&](auto const* mine, int apart, auto const& add) {
    switch (split) {
      case 1: return joined_of(mine, apart, add, std::integral_constant<int, 1>{});
      case 2: return joined_of(mine, apart, add, std::integral_constant<int, 2>{});
      case 4: return joined_of(mine, apart, add, std::integral_constant<int, 4>{});
      default: return joined_of(mine, apart, add, std::integral_constant<int, 8>{});
    }
  };
  auto const add_four = [](float4& a, float4 const& b) { a.x += b.x, a.y += b.y, a.z += b.z, a.w += b.w; };
  auto const* const bias = static_cast<bf16 const*>(p.bias);
#pragma unroll
  for (int u = 0; u < most; ++u) {
    int row, o;
    if (!place(u, row, o)) continue;
    int const output = group * outputs_here + o;
    float scale = 1;
    if constexpr (normed) {
      float const all = joined(&row_squares[0][row], c::width, [](float& a, float b) { a += b; });
      scale = rsqrtf(all / static_cast<float>(p.inputs) + p.before.epsilon);
    }
    auto const four = [&](int r, int from, float (&value)[4]) {
      float4 const all =
          joined(reinterpret_cast<float4 const*>(&sums[row * c::sum_stride + r]), c::width * c::sum_stride / 4, add_four);
      float const each[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) value[i] = each[i] * scale + (bias && output + i < limit ? widen(bias[from + i]) : 0.0f);
    };
    float value[4];
    four(p.gated ? o / 8 * tile + o % 8 : o, output, value);
    if (p.gated) {
      float up[4];
      four(o / 8 * tile + o % 8 + 8, half + output, up);
#pragma unroll
      for (int i = 0; i < 4; ++i) value[i] = gated(rounded<bf16>(value[i]), p.activation) * rounded<bf16>(up[i]);
    }
    auto const at = static_cast<std::int64_t>(row) * limit + output;
    if (aligned && p.wide) {
      *reinterpret_cast<float4*>(static_cast<float*>(y) + at) = make_float4(value[0], value[1], value[2], value[3]);
      continue;
    }
    if (aligned) {
      if (p.add) {
        float const before[4] = {__uint_as_float(old[u].x << 16), __uint_as_float(old[u].x & 0xffff0000u),
                                 __uint_as_float(old[u].y << 16), __uint_as_float(old[u].y & 0xffff0000u)};
#pragma unroll
        for (int i = 0; i < 4; ++i) value[i] = rounded<bf16>(value[i]) + before[i];
      }
      *reinterpret_cast<uint2*>(static_cast<bf16*>(y) + at) =
          make_uint2(pack_two(value[0], value[1]), pack_two(value[2], value[3]));
      continue;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (output + i >= limit) continue;
      if (p.wide) {
        static_cast<float*>(y)[at + i] = value[i];
      } else {
        bf16* const to = static_cast<bf16*>(y) + at + i;
        *to = p.add ? narrow<bf16>(rounded<bf16>(value[i]) + widen(*to)) : narrow<bf16>(value[i]);
      }
    }
  }
#if __CUDA_ARCH__ >= 900
  if (split > 1) cluster.sync();
#endif
}

template <int tiles_a_warp, int k_warps, int groups, int deep, bool normed>
cudaError_t with_norm(product const& p, int split, void const* x, void* y, int rows, lane on) {
  using c = cut<tiles_a_warp, k_warps, groups, deep>;
  auto const kernel = multiply_streamed<tiles_a_warp, k_warps, groups, deep, normed>;
  if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, c::bytes)) return failed;
  int const outputs = p.gated ? p.outputs / 2 : p.outputs, each = c::tiles * (p.gated ? tile / 2 : tile);
  return launch(kernel, (outputs + each - 1) / each * split, threads, c::bytes, on, static_cast<unsigned>(split), p,
                static_cast<bf16 const*>(x), y, rows, split);
}

template <int tiles_a_warp, int k_warps, int groups, int deep>
cudaError_t start(product const& p, int split, void const* x, void* y, int rows, lane on) {
  if constexpr (has_room(tiles_a_warp * warps / k_warps, 8 * groups, deep))
    return p.before.weight ? with_norm<tiles_a_warp, k_warps, groups, deep, true>(p, split, x, y, rows, on)
                           : with_norm<tiles_a_warp, k_warps, groups, deep, false>(p, split, x, y, rows, on);
  return cudaErrorInvalidValue;
}

template <int groups>
cudaError_t with_tiles(product const& p, product_tiling const& t, void const* x, void* y, int rows, lane on) {
  if (t.rows == 2 && t.depth == 128) return start<1, 4, groups, 128>(p, t.parts, x, y, rows, on);
  if (t.rows == 2 && t.depth == 256) return start<1, 4, groups, 256>(p, t.parts, x, y, rows, on);
  if (t.rows == 4 && t.depth == 128) return start<1, 2, groups, 128>(p, t.parts, x, y, rows, on);
  if (t.rows == 6 && t.depth == 128) return start<3, 4, groups, 128>(p, t.parts, x, y, rows, on);
  if (t.rows == 8 && t.depth == 64) return start<2, 2, groups, 64>(p, t.parts, x, y, rows, on);
  if (t.rows == 8 && t.depth == 128) return start<2, 2, groups, 128>(p, t.parts, x, y, rows, on);
  return cudaErrorInvalidValue;
}

}  // namespace

std::vector<product_tiling> ring_tilings(product const& p, int rows, lane on) {
  std::vector<product_tiling> all;
  int const width = rows <= 8 ? 8 : rows <= 16 ? 16 : 32;
  for (auto const& [tiles, depth] : {std::pair(2, 128), {2, 256}, {4, 128}, {6, 128}, {8, 64}, {8, 128}}) {
    if (!has_room(tiles, width, depth)) continue;
    int const groups = (p.outputs + tiles * tile - 1) / (tiles * tile);
    // Blocks share inputs where there are clusters, and where they are too few otherwise; each joins whole fours of outputs.
    for (int parts = 1; parts <= (on.early ? 8 : 1); parts *= 2)
      if (parts == 1 || (groups * parts <= 2 * on.processors && tiles * tile / (p.gated ? 2 : 1) / parts % 4 == 0))
        all.push_back({product_tiling::engine::ring, tiles, depth, parts});
  }
  return all;
}

cudaError_t multiply_streamed(product const& p, product_tiling const& t, void const* x, void* y, int rows, lane on) {
  if (rows <= 8) return with_tiles<1>(p, t, x, y, rows, on);
  if (rows <= 16) return with_tiles<2>(p, t, x, y, rows, on);
  return with_tiles<4>(p, t, x, y, rows, on);
}

}  // namespace gpuplace::cuda
