#include "device_math.cuh"
#include "streamed_rows.hpp"

#include <algorithm>
#include <utility>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256, warps = threads / 32;

/// Some outputs of a few rows: each warp, or several along the inputs, reads `outputs_each` rows of weights with `loads` vectors of
/// each in flight. The first of them are asked for before the kernels before have ended: weights do not change.
template <class T, int rows, int outputs_each, int loads>
__global__ void __launch_bounds__(threads, rows* outputs_each* loads > 16    ? 1
                                           : rows * outputs_each * loads > 8 ? 2
                                                                             : 3)
    multiply_few_rows(product const p, int warps_a_row, T const* x, void* y) {
  constexpr int in = in_vector<T>;
  constexpr int kept = 2;  // vectors of x, and of its norm's weight, that a thread holds on to
  extern __shared__ uint4 shared[];
  __shared__ float scratch[32];
  __shared__ float sums[warps][rows][outputs_each];
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int const vectors = p.inputs / in, slice = (vectors + warps_a_row - 1) / warps_a_row;
  int const part = warp % warps_a_row, first = part * slice, end = min(first + slice, vectors);
  int const group = blockIdx.x * (warps / warps_a_row) + warp / warps_a_row;
  int const half = p.outputs / 2;

  int output[outputs_each];
  uint4 const* weight[outputs_each];
#pragma unroll
  for (int r = 0; r < outputs_each; ++r) {
    output[r] = p.gated ? group * (outputs_each / 2) + r / 2 + (r % 2 ? half : 0) : group * outputs_each + r;
    bool const real = p.gated ? group * (outputs_each / 2) + r / 2 < half : output[r] < p.outputs;
    if (!real) output[r] = -1;
    weight[r] =
        reinterpret_cast<uint4 const*>(static_cast<T const*>(p.weight) + static_cast<std::int64_t>(max(output[r], 0)) * p.inputs);
  }
  uint4 ahead[outputs_each][loads];
  auto const fetch = [&](int r, int u, int at) {
    ahead[r][u] = at < end && output[r] >= 0 ? load_once(weight[r] + at) : make_uint4(0, 0, 0, 0);
  };
  let_next_start();
#pragma unroll
  for (int u = 0; u < loads; ++u)
#pragma unroll
    for (int r = 0; r < outputs_each; ++r) fetch(r, u, first + u * 32 + lane);

  bool const normed = p.before.weight, all_kept = vectors <= kept * threads;
  uint4 norm_weight[kept];
  if (normed && all_kept) {
#pragma unroll
    for (int i = 0; i < kept; ++i)
      if (int const at = threadIdx.x + i * threads; at < vectors) norm_weight[i] = static_cast<uint4 const*>(p.before.weight)[at];
  }
  wait_for_previous();
  auto const normalise = [&](uint4 const& number, uint4 const& weights, float scale) {
    float v[in], w[in];
    unpack<T>(number, v);
    unpack<T>(weights, w);
#pragma unroll
    for (int j = 0; j < in; ++j) v[j] = widen(normalised(v[j], scale, narrow<T>(w[j]), p.before.offset));
    return pack<T>(v);
  };
  auto const squares_of = [&](uint4 const& number) {
    float v[in], sum = 0;
    unpack<T>(number, v);
#pragma unroll
    for (int j = 0; j < in; ++j) sum += v[j] * v[j];
    return sum;
  };
#pragma unroll
  for (int row = 0; row < rows; ++row) {
    auto const* const from = reinterpret_cast<uint4 const*>(x + static_cast<std::int64_t>(row) * p.inputs);
    uint4* const to = shared + row * vectors;
    if (!normed) {
      for (int i = threadIdx.x; i < vectors; i += threads) to[i] = from[i];
      continue;
    }
    float squares = 0;
    uint4 own[kept];
    if (all_kept) {
#pragma unroll
      for (int i = 0; i < kept; ++i) {
        int const at = threadIdx.x + i * threads;
        own[i] = at < vectors ? from[at] : make_uint4(0, 0, 0, 0);
      }
#pragma unroll
      for (int i = 0; i < kept; ++i) squares += squares_of(own[i]);
    } else {
      for (int i = threadIdx.x; i < vectors; i += threads) squares += squares_of(from[i]);
    }
    float const scale = rsqrtf(block_sum(squares, scratch) / static_cast<float>(p.inputs) + p.before.epsilon);
    if (all_kept) {
#pragma unroll
      for (int i = 0; i < kept; ++i)
        if (int const at = threadIdx.x + i * threads; at < vectors) to[at] = normalise(own[i], norm_weight[i], scale);
    } else {
      for (int i = threadIdx.x; i < vectors; i += threads)
        to[i] = normalise(from[i], static_cast<uint4 const*>(p.before.weight)[i], scale);
    }
  }
  __syncthreads();

  float total[rows][outputs_each] = {};
  for (int at = first + lane; at - lane < end; at += 32 * loads) {
#pragma unroll
    for (int u = 0; u < loads; ++u) {
      int const now = at + u * 32;
      float v[rows][in];
#pragma unroll
      for (int row = 0; row < rows; ++row) unpack<T>(shared[row * vectors + min(now, vectors - 1)], v[row]);
#pragma unroll
      for (int r = 0; r < outputs_each; ++r) {
        float w[in];
        unpack<T>(ahead[r][u], w);
        fetch(r, u, now + 32 * loads);
#pragma unroll
        for (int row = 0; row < rows; ++row)
#pragma unroll
          for (int j = 0; j < in; ++j) total[row][r] += w[j] * v[row][j];
      }
    }
  }
#pragma unroll
  for (int row = 0; row < rows; ++row)
#pragma unroll
    for (int r = 0; r < outputs_each; ++r) total[row][r] = lane_sum(total[row][r]);
  if (warps_a_row > 1) {
    if (lane == 0) {
#pragma unroll
      for (int row = 0; row < rows; ++row)
#pragma unroll
        for (int r = 0; r < outputs_each; ++r) sums[warp][row][r] = total[row][r];
    }
    __syncthreads();
    if (part != 0) return;
#pragma unroll
    for (int row = 0; row < rows; ++row)
#pragma unroll
      for (int r = 0; r < outputs_each; ++r) {
        float sum = 0;
        for (int i = 0; i < warps_a_row; ++i) sum += sums[warp + i][row][r];
        total[row][r] = sum;
      }
  }
  if (lane != 0) return;

  auto const* const bias = static_cast<T const*>(p.bias);
  int const width = p.gated ? half : p.outputs;
  auto const put = [&](int row, int column, float value) {
    auto const at = static_cast<std::int64_t>(row) * width + column;
    if (p.wide) {
      static_cast<float*>(y)[at] = value;
      return;
    }
    T* const out = static_cast<T*>(y) + at;
    *out = p.add ? narrow<T>(rounded<T>(value) + widen(*out)) : narrow<T>(value);
  };
#pragma unroll
  for (int row = 0; row < rows; ++row)
#pragma unroll
    for (int r = 0; r < outputs_each; ++r) {
      if (output[r] < 0) continue;
      float const value = total[row][r] + (bias ? widen(bias[output[r]]) : 0.0f);
      if (!p.gated) put(row, output[r], value);
      else if (r % 2 == 0) {
        float const up = total[row][r + 1] + (bias ? widen(bias[output[r + 1]]) : 0.0f);
        put(row, output[r], gated(rounded<T>(value), p.activation) * rounded<T>(up));
      }
    }
}

template <class T, int rows, int outputs_each, int loads>
cudaError_t start(product const& p, int warps_a_row, void const* x, void* y, lane on) {
  int const outputs_a_block = outputs_each * (warps / warps_a_row);
  auto const shared = static_cast<std::size_t>(rows) * p.inputs * sizeof(T);
  auto const kernel = multiply_few_rows<T, rows, outputs_each, loads>;
  if (shared > 40 * 1024)
    if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)))
      return failed;
  return launch(kernel, (p.outputs + outputs_a_block - 1) / outputs_a_block, threads, shared, on, 1, p, warps_a_row,
                static_cast<T const*>(x), y);
}

template <class T, int rows>
cudaError_t with_tiling(product const& p, product_tiling const& t, void const* x, void* y, lane on) {
  if (t.rows == 2 && t.depth == 4) return start<T, rows, 2, 4>(p, t.parts, x, y, on);
  if (t.rows == 2 && t.depth == 8) return start<T, rows, 2, 8>(p, t.parts, x, y, on);
  if (t.rows == 4 && t.depth == 4) return start<T, rows, 4, 4>(p, t.parts, x, y, on);
  return cudaErrorInvalidValue;
}

using engine = product_tiling::engine;

bool can_multiply(number type, product const& p, engine by, int rows) {
  if (by == engine::threads) return rows <= 4 && p.inputs * bytes_of(type) % 16 == 0;
  return type == number::bf16 && rows > 1 && rows <= streamed_rows && p.inputs % 8 == 0;
}

}  // namespace

std::vector<product_tiling> tilings_for(number type, product const& p, int rows, lane on) {
  std::vector<product_tiling> all;
  if (can_multiply(type, p, engine::threads, rows))
    for (auto const& [of_weights, loads] : {std::pair(2, 4), {2, 8}, {4, 4}})
      for (int parts = 1; parts <= 8; parts *= 2) all.push_back({engine::threads, of_weights, loads, parts});
  if (can_multiply(type, p, engine::ring, rows))
    for (auto const& t : ring_tilings(p, rows, on)) all.push_back(t);
  return all;
}

std::optional<product_tiling> usual_tiling(number type, product const& p, int rows) {
  if (can_multiply(type, p, engine::threads, rows)) return product_tiling{};
  if (can_multiply(type, p, engine::ring, rows)) return product_tiling{engine::ring, 2, 128, 1};
  return std::nullopt;
}

cudaError_t multiply_few(number type, product const& p, product_tiling const& tiling, void const* x, void* y, int rows, lane on) {
  if (!can_multiply(type, p, tiling.by, rows)) return cudaErrorInvalidValue;
  if (p.before.weight && !takes_norm(tiling, p.before)) return cudaErrorInvalidValue;
  if (tiling.by == engine::ring) return multiply_streamed(p, tiling, x, y, rows, on);
  return by_number(type, [&]<class T>(T) {
    switch (rows) {
      case 1: return with_tiling<T, 1>(p, tiling, x, y, on);
      case 2: return with_tiling<T, 2>(p, tiling, x, y, on);
      case 3: return with_tiling<T, 3>(p, tiling, x, y, on);
      case 4: return with_tiling<T, 4>(p, tiling, x, y, on);
      default: return cudaErrorInvalidValue;
    }
  });
}

}  // namespace gpuplace::cuda
