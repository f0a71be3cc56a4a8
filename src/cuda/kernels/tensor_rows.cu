#include "tensor_cores.cuh"

#include <type_traits>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256, warps = threads / 32, tile = 16;

/// Tensor cores for up to 8 * `groups` rows: each warp, or several along the inputs, multiplies 16 rows of weights. A thread reads 16 bytes
/// of a row of weights and of a row of x at the same inputs: the order of inputs within a product does not matter, so that neither has
/// to be shuffled. Gate and up lie in the tile's two halves, so that one thread has both.
template <int groups, int loads>
__global__ void __launch_bounds__(threads, groups* loads <= 16 ? 2 : 1)
    multiply_some_rows(product const p, int warps_a_row, bf16 const* x, void* y, int rows) {
  extern __shared__ float sums[];  // [warps][tile][8 * groups]
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  int const chunks = p.inputs / 32, slice = (chunks + warps_a_row - 1) / warps_a_row;  // of 32 inputs
  int const part = warp % warps_a_row, first = part * slice, end = min(first + slice, chunks);
  int const group = blockIdx.x * (warps / warps_a_row) + warp / warps_a_row, half = p.outputs / 2;
  int const low = p.gated ? group * 8 + g : group * tile + g, high = p.gated ? half + low : low + 8;
  bool const has_low = low < (p.gated ? half : p.outputs), has_high = p.gated ? has_low : high < p.outputs;
  auto const* const weight = static_cast<bf16 const*>(p.weight);
  auto const* const from_low =
      reinterpret_cast<uint4 const*>(weight + static_cast<std::int64_t>(has_low ? low : 0) * p.inputs + t * 8);
  auto const* const from_high =
      reinterpret_cast<uint4 const*>(weight + static_cast<std::int64_t>(has_high ? high : 0) * p.inputs + t * 8);

  uint4 ahead[loads][2];
  auto const fetch = [&](int u, int chunk) {
    bool const there = chunk < end;
    ahead[u][0] = there && has_low ? load_once(from_low + chunk * 4) : make_uint4(0, 0, 0, 0);
    ahead[u][1] = there && has_high ? load_once(from_high + chunk * 4) : make_uint4(0, 0, 0, 0);
  };
  let_next_start();
#pragma unroll
  for (int u = 0; u < loads; ++u) fetch(u, first + u);
  wait_for_previous();

  bf16 const* row[groups];
#pragma unroll
  for (int n = 0; n < groups; ++n) row[n] = x + static_cast<std::int64_t>(min(n * 8 + g, rows - 1)) * p.inputs + t * 8;
  float c[groups][4] = {};
  for (int chunk = first; chunk < end; chunk += loads) {
#pragma unroll
    for (int u = 0; u < loads; ++u) {
      uint4 const a = ahead[u][0], b = ahead[u][1];
      int const now = min(chunk + u, chunks - 1);
      fetch(u, chunk + u + loads);
#pragma unroll
      for (int n = 0; n < groups; ++n) {
        uint4 const v = *reinterpret_cast<uint4 const*>(row[n] + now * 32);
        multiply_add(c[n], a.x, b.x, a.y, b.y, v.x, v.y);
        multiply_add(c[n], a.z, b.z, a.w, b.w, v.z, v.w);
      }
    }
  }

  constexpr int width = 8 * groups;
  float* const mine = sums + warp * tile * width;
#pragma unroll
  for (int n = 0; n < groups; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) mine[(g + (i / 2) * 8) * width + n * 8 + 2 * t + i % 2] = c[n][i];
  __syncthreads();

  auto const* const bias = static_cast<bf16 const*>(p.bias);
  auto const value_of = [&](int team, int r, int n, int output) {
    float sum = 0;
    for (int i = 0; i < warps_a_row; ++i) sum += sums[((team * warps_a_row + i) * tile + r) * width + n];
    return sum + (bias ? widen(bias[output]) : 0.0f);
  };
  int const teams = warps / warps_a_row, outputs_each = p.gated ? 8 : tile, outputs = p.gated ? half : p.outputs;
  for (int e = threadIdx.x; e < teams * outputs_each * rows; e += threads) {
    int const r = e % outputs_each, team = e / outputs_each % teams, n = e / outputs_each / teams;
    int const output = (blockIdx.x * teams + team) * outputs_each + r;
    if (output >= outputs) continue;
    float value = value_of(team, r, n, output);
    if (p.gated) value = gated(rounded<bf16>(value), p.activation) * rounded<bf16>(value_of(team, r + 8, n, half + output));
    auto const at = static_cast<std::int64_t>(n) * outputs + output;
    if (p.wide) {
      static_cast<float*>(y)[at] = value;
    } else {
      bf16* const to = static_cast<bf16*>(y) + at;
      *to = p.add ? narrow<bf16>(rounded<bf16>(value) + widen(*to)) : narrow<bf16>(value);
    }
  }
}

template <int groups, int loads>
cudaError_t start(product const& p, int warps_a_row, void const* x, void* y, int rows, lane on) {
  int const teams = warps / warps_a_row, outputs_a_block = teams * (p.gated ? 8 : tile),
            outputs = p.gated ? p.outputs / 2 : p.outputs;
  auto const shared = sizeof(float) * warps * tile * 8 * groups;
  return launch(multiply_some_rows<groups, loads>, (outputs + outputs_a_block - 1) / outputs_a_block, threads, shared, on, 1, p,
                warps_a_row, static_cast<bf16 const*>(x), y, rows);
}

}  // namespace

cudaError_t multiply_some(product const& p, product_tiling const& t, void const* x, void* y, int rows, lane on) {
  auto const with = [&]<int loads>(std::integral_constant<int, loads>) {
    if (rows <= 8) return start<1, loads>(p, t.parts, x, y, rows, on);
    if (rows <= 16) return start<2, loads>(p, t.parts, x, y, rows, on);
    return start<4, loads>(p, t.parts, x, y, rows, on);
  };
  return t.loads == 4 ? with(std::integral_constant<int, 4>{}) : with(std::integral_constant<int, 8>{});
}

}  // namespace gpuplace::cuda
