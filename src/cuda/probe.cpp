#include "probe.hpp"

#include "kernels/kernels.hpp"
#include "runtime.hpp"

#include <algorithm>

namespace gpuplace::cuda {

double best_read_rate(std::size_t bytes) {
  auto const data = allocate(bytes, "memory to read"), sink = allocate(sizeof(unsigned), "memory to read");
  stream const on;
  check(cudaMemsetAsync(data.as(), 0x5a, bytes, on), "filling memory");
  int device = 0, processors = 0;
  check(cudaGetDevice(&device), "the current device");
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "the device's processors");
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "a clock");
  check(cudaEventCreate(&end), "a clock");
  double best = 0;
  for (int variant = 0; variant < read_variants; ++variant)
    for (int round = 0; round < 6; ++round) {  // the first warms up
      check(cudaEventRecord(begin, on), "a clock");
      check(read_through(data.as(), bytes, sink.as<unsigned>(), variant, {on, false, processors}), "reading memory");
      check(cudaEventRecord(end, on), "a clock");
      check(cudaEventSynchronize(end), "reading memory");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin, end), "a clock");
      best = std::max(best, static_cast<double>(bytes) / (static_cast<double>(milliseconds) / 1e3));
    }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return best;
}

}  // namespace gpuplace::cuda
