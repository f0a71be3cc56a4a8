#include "device_math.cuh"

namespace gpuplace::cuda {
namespace {

constexpr int threads = 256;

template <class T>
__global__ void embed_rows(T const* table, std::int32_t const* tokens, T* out, int width, float scale, token_record record) {
  let_next_start();
  wait_for_previous();
  if (record.texts && threadIdx.x == 0 && record.positions[blockIdx.x] >= 0) {
    int const row = record.rows ? record.rows[blockIdx.x] : blockIdx.x;
    record.texts[static_cast<std::int64_t>(record.slots[row]) * record.context + record.positions[blockIdx.x]] = tokens[blockIdx.x];
  }
  T const* const from = table + static_cast<std::int64_t>(tokens[blockIdx.x]) * width;
  T* const to = out + static_cast<std::int64_t>(blockIdx.x) * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) to[i] = scale == 1.0f ? from[i] : narrow<T>(widen(from[i]) * scale);
}

template <class T>
__global__ void add_and_norm_rows(T* x, T const* added, norm n, T* out, int width) {
  __shared__ float scratch[32];
  let_next_start();
  wait_for_previous();
  auto const at = static_cast<std::int64_t>(blockIdx.x) * width;
  float squares = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    float v = widen(x[at + i]);
    if (added) {
      v = rounded<T>(v + widen(added[at + i]));
      x[at + i] = narrow<T>(v);
    }
    squares += v * v;
  }
  if (!n.weight) return;
  float const scale = rsqrtf(block_sum(squares, scratch) / static_cast<float>(width) + n.epsilon);
  auto const* const weight = static_cast<T const*>(n.weight);
  for (int i = threadIdx.x; i < width; i += blockDim.x) out[at + i] = normalised(widen(x[at + i]), scale, weight[i], n.offset);
}

template <class T>
__global__ void gate_multiply_rows(T const* gate_up, T* out, int width, gate g) {
  let_next_start();
  wait_for_previous();
  T const* const from = gate_up + static_cast<std::int64_t>(blockIdx.x) * 2 * width;
  T* const to = out + static_cast<std::int64_t>(blockIdx.x) * width;
  for (int i = blockIdx.y * blockDim.x + threadIdx.x; i < width; i += gridDim.y * blockDim.x)
    to[i] = narrow<T>(gated(widen(from[i]), g) * widen(from[width + i]));
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

cudaError_t add_and_norm(number type, void* x, void const* added, norm const& n, void* out, int rows, int width, lane on) {
  return by_number(type, [&]<class T>(T) {
    return launch(add_and_norm_rows<T>, rows, width > 2048 ? 1024 : threads, 0, on, 1, static_cast<T*>(x),
                  static_cast<T const*>(added), n, static_cast<T*>(out), width);
  });
}

cudaError_t gate_multiply(number type, void const* gate_up, void* out, int rows, int width, gate g, lane on) {
  return by_number(type, [&]<class T>(T) {
    dim3 const grid(rows, rows < on.processors ? (width + threads - 1) / threads : 1);
    return launch(gate_multiply_rows<T>, grid, threads, 0, on, 1, static_cast<T const*>(gate_up), static_cast<T*>(out), width, g);
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
