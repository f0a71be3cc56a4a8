#include "device_math.cuh"

#include <algorithm>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256;

__device__ void write_token(token_record const& record, int index, std::int32_t token) {
  if (record.positions[index] < 0) return;
  int const row = record.rows ? record.rows[index] : index;
  record.texts[static_cast<std::int64_t>(record.slots[row]) * record.context + record.positions[index]] = token;
}

__global__ void write_tokens(std::int32_t const* tokens, int count, token_record record) {
  let_next_start();
  wait_for_previous();
  if (int const i = blockIdx.x * blockDim.x + threadIdx.x; i < count) write_token(record, i, tokens[i]);
}

template <class T>
__global__ void embed_rows(T const* table, std::int32_t const* tokens, T* out, int width, float scale, token_record record) {
  let_next_start();
  wait_for_previous();
  if (record.texts && threadIdx.x == 0) write_token(record, blockIdx.x, tokens[blockIdx.x]);
  T const* const from = table + static_cast<std::int64_t>(tokens[blockIdx.x]) * width;
  T* const to = out + static_cast<std::int64_t>(blockIdx.x) * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) to[i] = scale == 1.0f ? from[i] : narrow<T>(widen(from[i]) * scale);
}

/// One block a row; a thread keeps what it has read of it, up to `kept` times n numbers.
template <class T, int n>
__global__ void __launch_bounds__(1024) add_and_norm_rows(T* x, T const* added, norm how, T* out, int width) {
  constexpr int kept = 2;
  __shared__ float scratch[32];
  let_next_start();
  wait_for_previous();
  auto const at = static_cast<std::int64_t>(blockIdx.x) * width;
  int const step = blockDim.x * n;
  float own[kept][n], squares = 0;
  auto const read = [&](int i, float (&v)[n]) {
    load(x + at + i, v);
    if (!added) return;
    float more[n];
    load(added + at + i, more);
#pragma unroll
    for (int j = 0; j < n; ++j) v[j] = rounded<T>(v[j] + more[j]);
    store(x + at + i, v);
  };
  auto const count = [&](float const(&v)[n]) {
#pragma unroll
    for (int j = 0; j < n; ++j) squares += v[j] * v[j];
  };
#pragma unroll
  for (int u = 0; u < kept; ++u)
    if (int const i = threadIdx.x * n + u * step; i < width) {
      read(i, own[u]);
      count(own[u]);
    }
  for (int i = threadIdx.x * n + kept * step; i < width; i += step) {
    float v[n];
    read(i, v);
    count(v);
  }
  if (!how.weight) return;
  float const scale = rsqrtf(block_sum(squares, scratch) / static_cast<float>(width) + how.epsilon);
  auto const write = [&](int i, float (&v)[n]) {
    float w[n];
    load(static_cast<T const*>(how.weight) + i, w);
#pragma unroll
    for (int j = 0; j < n; ++j) v[j] = widen(normalised(v[j], scale, narrow<T>(w[j]), how.offset));
    store(out + at + i, v);
  };
#pragma unroll
  for (int u = 0; u < kept; ++u)
    if (int const i = threadIdx.x * n + u * step; i < width) write(i, own[u]);
  for (int i = threadIdx.x * n + kept * step; i < width; i += step) {
    float v[n];
    load(x + at + i, v);
    write(i, v);
  }
}

template <class T, int n>
__global__ void gate_multiply_rows(T const* gate_up, T* out, int width, gate g) {
  let_next_start();
  wait_for_previous();
  T const* const from = gate_up + static_cast<std::int64_t>(blockIdx.x) * 2 * width;
  T* const to = out + static_cast<std::int64_t>(blockIdx.x) * width;
#pragma unroll 2
  for (int i = (blockIdx.y * blockDim.x + threadIdx.x) * n; i < width; i += gridDim.y * blockDim.x * n) {
    float a[n], b[n];
    load(from + i, a);
    load(from + width + i, b);
#pragma unroll
    for (int j = 0; j < n; ++j) a[j] = gated(a[j], g) * b[j];
    store(to + i, a);
  }
}

template <class T>
__global__ void add_bias_rows(T* x, T const* bias, int width) {
  let_next_start();
  wait_for_previous();
  T* const row = x + static_cast<std::int64_t>(blockIdx.x) * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) row[i] = narrow<T>(widen(row[i]) + widen(bias[i]));
}

__global__ void softcap_all(float* x, std::int64_t count, float cap) {
  let_next_start();
  wait_for_previous();
  auto const step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step)
    x[i] = cap * tanhf(x[i] / cap);
}

template <class T>
__global__ void gather_rows(T const* x, std::int32_t const* rows, T* out, int width) {
  let_next_start();
  wait_for_previous();
  T const* const from = x + static_cast<std::int64_t>(rows[blockIdx.x]) * width;
  T* const to = out + static_cast<std::int64_t>(blockIdx.x) * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) to[i] = from[i];
}

}  // namespace

cudaError_t embed(number type, void const* table, std::int32_t const* tokens, void* out, int rows, int width, float scale, lane on,
                  token_record const& record) {
  return by_number(type, [&]<class T>(T) {
    return launch(embed_rows<T>, rows, threads, 0, on, 1, static_cast<T const*>(table), tokens, static_cast<T*>(out), width, scale,
                  record);
  });
}

cudaError_t write_down(std::int32_t const* tokens, int count, token_record const& record, lane on) {
  return launch(write_tokens, (count + threads - 1) / threads, threads, 0, on, 1, tokens, count, record);
}

cudaError_t add_and_norm(number type, void* x, void const* added, norm const& how, void* out, int rows, int width, lane on) {
  return by_vectors(type, width, [&]<class T, int n>(T, std::integral_constant<int, n>) {
    int const block = std::clamp((width + 2 * n - 1) / (2 * n), 32, 1024) / 32 * 32;
    return launch(add_and_norm_rows<T, n>, rows, block, 0, on, 1, static_cast<T*>(x), static_cast<T const*>(added), how,
                  static_cast<T*>(out), width);
  });
}

cudaError_t gate_multiply(number type, void const* gate_up, void* out, int rows, int width, gate g, lane on) {
  return by_vectors(type, width, [&]<class T, int n>(T, std::integral_constant<int, n>) {
    int const blocks = (width + threads * n - 1) / (threads * n);
    dim3 const grid(rows, rows < on.processors ? blocks : (blocks + 3) / 4);
    return launch(gate_multiply_rows<T, n>, grid, threads, 0, on, 1, static_cast<T const*>(gate_up), static_cast<T*>(out), width,
                  g);
  });
}

cudaError_t add_bias(number type, void* x, void const* bias, int rows, int width, lane on) {
  return by_number(type, [&]<class T>(T) {
    return launch(add_bias_rows<T>, rows, threads, 0, on, 1, static_cast<T*>(x), static_cast<T const*>(bias), width);
  });
}

cudaError_t softcap(float* x, std::int64_t count, float cap, lane on) {
  return launch(softcap_all, on.processors * 4, threads, 0, on, 1, x, count, cap);
}

cudaError_t gather(number type, void const* x, std::int32_t const* rows, void* out, int count, int width, lane on) {
  return by_number(type, [&]<class T>(T) {
    return launch(gather_rows<T>, count, threads, 0, on, 1, static_cast<T const*>(x), rows, static_cast<T*>(out), width);
  });
}

}  // namespace gpuplace::cuda
