#include "device_math.cuh"

namespace gpuplace::cuda {
namespace {

template <int loads>
__global__ void read_all(uint4 const* from, std::int64_t vectors, unsigned* sink) {
  auto const step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  unsigned seen = 0;
  for (auto i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i + (loads - 1) * step < vectors;
       i += loads * step) {
    uint4 v[loads];
#pragma unroll
    for (int u = 0; u < loads; ++u) v[u] = load_once(from + i + u * step);
#pragma unroll
    for (int u = 0; u < loads; ++u) seen ^= v[u].x ^ v[u].y ^ v[u].z ^ v[u].w;
  }
  if (seen == 0x9e3779b9u) *sink = seen;  // so that the loads are not left out
}

}  // namespace

cudaError_t read_through(void const* from, std::size_t bytes, unsigned* sink, int variant, lane on) {
  auto const vectors = static_cast<std::int64_t>(bytes / 16);
  auto const* const data = static_cast<uint4 const*>(from);
  on.early = false;
  if (variant == 0) return launch(read_all<4>, on.processors * 8, 256, 0, on, 1, data, vectors, sink);
  if (variant == 1) return launch(read_all<8>, on.processors * 4, 512, 0, on, 1, data, vectors, sink);
  return launch(read_all<8>, on.processors * 16, 256, 0, on, 1, data, vectors, sink);
}

}  // namespace gpuplace::cuda
