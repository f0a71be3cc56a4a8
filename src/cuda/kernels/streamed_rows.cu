#include "tensor_cores.cuh"

#include <cooperative_groups.h>

#include <algorithm>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256, warps = threads / 32, tile = 16;
constexpr int ring_bytes =
    112 << 10;  ///< two blocks find room on a multiprocessor: the next kernel's fills its ring while this one ends

/// How a block is cut: `tiles` times 16 rows of weights by `depth` inputs at a time; warps share the tiles and, `k_warps` of them, the
/// inputs.
template <int tiles_a_warp, int k_warps, int groups>
struct cut {
  static constexpr int tiles = tiles_a_warp * warps / k_warps, rows = tiles * tile, width = 8 * groups;
  static constexpr int depth = tiles <= 4 ? 128 : 64, vectors = depth / 8, steps = depth / 16 / k_warps;
  static constexpr int stage_bytes = (rows + width) * depth * 2;
  static constexpr int stages = std::min(8, ring_bytes / stage_bytes);
  static constexpr int sum_stride = rows + 4;
  static constexpr int bytes = std::max(stages * stage_bytes, width* sum_stride * 4);
};

/// Up to 8 * `groups` rows of x: weights and x come through a ring in shared memory, and blocks of a cluster share the inputs and join their
/// sums. Gate and up lie in a tile's two halves, so that one block has both.
template <int tiles_a_warp, int k_warps, int groups>
__global__ void __launch_bounds__(threads, 2) multiply_streamed(product const p, bf16 const* x, void* y, int rows, int split) {
  using c = cut<tiles_a_warp, k_warps, groups>;
  extern __shared__ __align__(128) std::byte memory[];
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int const part = blockIdx.x % split, group = blockIdx.x / split, half = p.outputs / 2, limit = p.gated ? half : p.outputs;
  int const chunks = (p.inputs + c::depth - 1) / c::depth, each = (chunks + split - 1) / split;
  int const first = part * each, count = max(0, min(each, chunks - first));
  unsigned const ring = shared_address(memory);

  // This thread copies the same vector of every `apart`-th row.
  constexpr int apart = threads / c::vectors, tile_rows_apart = apart;
  int const own_row = threadIdx.x / c::vectors, own_vector = threadIdx.x % c::vectors;
  int const outputs_a_tile = p.gated ? tile / 2 : tile;
  int const low = (group * c::tiles + own_row / tile) * outputs_a_tile + (p.gated ? own_row % 8 : own_row % tile);
  int const outputs_apart = tile_rows_apart / tile * outputs_a_tile;
  auto const* const weight = static_cast<bf16 const*>(p.weight) +
                             static_cast<std::int64_t>(low + (p.gated && own_row % tile >= 8 ? half : 0)) * p.inputs +
                             first * c::depth + own_vector * 8;
  auto const* const input = x + static_cast<std::int64_t>(own_row) * p.inputs + first * c::depth + own_vector * 8;
  auto const weights_ahead = [&](int stage, int chunk) {
    bool const inside = chunk < count && (first + chunk) * c::depth + own_vector * 8 < p.inputs;
#pragma unroll
    for (int j = 0; j < c::rows / apart; ++j)
      if (bool const there = inside && low + j * outputs_apart < limit; chunk < count)
        copy_ahead(ring + stage * c::stage_bytes + swizzled<c::depth>(own_row + j * apart, own_vector),
                   there ? weight + static_cast<std::int64_t>(j * outputs_apart) * p.inputs + chunk * c::depth : weight, there);
  };
  auto const inputs_ahead = [&](int stage, int chunk) {
    bool const inside = (first + chunk) * c::depth + own_vector * 8 < p.inputs;
#pragma unroll
    for (int j = 0; j < (c::width + apart - 1) / apart; ++j)
      if (int const row = own_row + j * apart; row < c::width && chunk < count) {
        bool const there = inside && row < rows;
        copy_ahead(ring + stage * c::stage_bytes + c::rows * c::depth * 2 + swizzled<c::depth>(row, own_vector),
                   there ? input + static_cast<std::int64_t>(j * apart) * p.inputs + chunk * c::depth : x, there);
      }
  };

#pragma unroll
  for (int s = 0; s < c::stages - 1; ++s) weights_ahead(s, s);
  if (count <= c::stages - 1) let_next_start();
  wait_for_previous();
#pragma unroll
  for (int s = 0; s < c::stages - 1; ++s) {
    inputs_ahead(s, s);
    close_copies();
  }

  int const k_part = warp % k_warps, first_tile = warp / k_warps * tiles_a_warp;
  float sum[tiles_a_warp][groups][4] = {};
  int stage = 0, filled = c::stages - 1;
  for (int chunk = 0; chunk < count; ++chunk) {
    wait_for_copies<c::stages - 2>();
    __syncthreads();
    weights_ahead(filled, chunk + c::stages - 1);
    inputs_ahead(filled, chunk + c::stages - 1);
    close_copies();
    if (chunk + c::stages == count) let_next_start();
    unsigned const weights_at = ring + stage * c::stage_bytes, inputs_at = weights_at + c::rows * c::depth * 2;
#pragma unroll
    for (int s = 0; s < c::steps; ++s) {
      int const k = 2 * (k_part * c::steps + s);
      unsigned a[tiles_a_warp][4];
#pragma unroll
      for (int i = 0; i < tiles_a_warp; ++i)
        load_tiles(a[i], weights_at + swizzled<c::depth>((first_tile + i) * tile + lane % 16, k + lane / 16));
      if constexpr (groups == 1) {
        unsigned b[2];
        load_two_tiles(b, inputs_at + swizzled<c::depth>(lane % 8, k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < tiles_a_warp; ++i) multiply_add(sum[i][0], a[i][0], a[i][1], a[i][2], a[i][3], b[0], b[1]);
      } else {
#pragma unroll
        for (int n = 0; n < groups; n += 2) {
          unsigned b[4];
          load_tiles(b, inputs_at + swizzled<c::depth>(n * 8 + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
#pragma unroll
          for (int i = 0; i < tiles_a_warp; ++i) {
            multiply_add(sum[i][n], a[i][0], a[i][1], a[i][2], a[i][3], b[0], b[1]);
            multiply_add(sum[i][n + 1], a[i][0], a[i][1], a[i][2], a[i][3], b[2], b[3]);
          }
        }
      }
    }
    stage = stage + 1 == c::stages ? 0 : stage + 1;
    filled = filled + 1 == c::stages ? 0 : filled + 1;
  }

  // Warps that share inputs add up in turn, [x row][row of weights].
  wait_for_copies<0>();
  auto* const sums = reinterpret_cast<float*>(memory);
#pragma unroll
  for (int turn = 0; turn < k_warps; ++turn) {
    __syncthreads();
    if (turn != k_part) continue;
#pragma unroll
    for (int i = 0; i < tiles_a_warp; ++i)
#pragma unroll
      for (int n = 0; n < groups; ++n)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          float& to = sums[(n * 8 + lane % 4 * 2 + j % 2) * c::sum_stride + (first_tile + i) * tile + lane / 4 + j / 2 * 8];
          to = turn == 0 ? sum[i][n][j] : to + sum[i][n][j];
        }
  }
#if __CUDA_ARCH__ >= 900
  auto const cluster = cooperative_groups::this_cluster();
  if (split > 1) cluster.sync();
  else __syncthreads();
#else
  __syncthreads();
#endif
  auto const sum_of = [&](int row, int r) {
    int const at = row * c::sum_stride + r;
#if __CUDA_ARCH__ >= 900
    if (split > 1) {
      float all = 0;
      for (int s = 0; s < split; ++s) all += *cluster.map_shared_rank(&sums[at], s);
      return all;
    }
#endif
    return sums[at];
  };
  auto const* const bias = static_cast<bf16 const*>(p.bias);
  int const outputs_here = c::tiles * outputs_a_tile, share = outputs_here / split;
  for (int e = threadIdx.x; e < share * rows; e += threads) {
    int const o = part * share + e % share, row = e / share, output = group * outputs_here + o;
    if (output >= limit) continue;
    float value = sum_of(row, p.gated ? o / 8 * tile + o % 8 : o) + (bias ? widen(bias[output]) : 0.0f);
    if (p.gated) {
      float const up = sum_of(row, o / 8 * tile + o % 8 + 8) + (bias ? widen(bias[half + output]) : 0.0f);
      value = gated(rounded<bf16>(value), p.activation) * rounded<bf16>(up);
    }
    auto const at = static_cast<std::int64_t>(row) * limit + output;
    if (p.wide) {
      static_cast<float*>(y)[at] = value;
    } else {
      bf16* const to = static_cast<bf16*>(y) + at;
      *to = p.add ? narrow<bf16>(rounded<bf16>(value) + widen(*to)) : narrow<bf16>(value);
    }
  }
#if __CUDA_ARCH__ >= 900
  if (split > 1) cluster.sync();
#endif
}

template <int tiles_a_warp, int k_warps, int groups>
cudaError_t start(product const& p, int split, void const* x, void* y, int rows, lane on) {
  using c = cut<tiles_a_warp, k_warps, groups>;
  auto const kernel = multiply_streamed<tiles_a_warp, k_warps, groups>;
  if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, c::bytes)) return failed;
  int const outputs = p.gated ? p.outputs / 2 : p.outputs, each = c::tiles * (p.gated ? tile / 2 : tile);
  return launch(kernel, (outputs + each - 1) / each * split, threads, c::bytes, on, static_cast<unsigned>(split), p,
                static_cast<bf16 const*>(x), y, rows, split);
}

template <int groups>
cudaError_t with_tiles(product const& p, int tiles, int split, void const* x, void* y, int rows, lane on) {
  switch (tiles) {
    case 2: return start<1, 4, groups>(p, split, x, y, rows, on);
    case 4: return start<1, 2, groups>(p, split, x, y, rows, on);
    case 6: return start<3, 4, groups>(p, split, x, y, rows, on);
    case 8: return start<2, 2, groups>(p, split, x, y, rows, on);
    case 12: return start<3, 2, groups>(p, split, x, y, rows, on);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t multiply_streamed(product const& p, product_tiling const& t, void const* x, void* y, int rows, lane on) {
  if (rows <= 8) return with_tiles<1>(p, t.rows, t.parts, x, y, rows, on);
  if (rows <= 16) return with_tiles<2>(p, t.rows, t.parts, x, y, rows, on);
  if (rows <= 32) return with_tiles<4>(p, t.rows, t.parts, x, y, rows, on);
  return with_tiles<8>(p, t.rows, t.parts, x, y, rows, on);
}

}  // namespace gpuplace::cuda
