#include "device_math.cuh"

namespace gpuplace::cuda {
namespace {

/// Tells what this build's kernels were compiled for.
__global__ void compiled_kernel() {}

}  // namespace

cudaError_t make_lane(cudaStream_t stream, lane& made) {
  int device = 0, processors = 0, major = 0;
  cudaFuncAttributes compiled{};
  if (auto const failed = cudaGetDevice(&device)) return failed;
  if (auto const failed = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device)) return failed;
  if (auto const failed = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device)) return failed;
  if (auto const failed = cudaFuncGetAttributes(&compiled, compiled_kernel)) return failed;
  made = {.stream = stream, .early = major >= 9 && compiled.ptxVersion >= 90, .processors = processors};
  return cudaSuccess;
}

}  // namespace gpuplace::cuda
