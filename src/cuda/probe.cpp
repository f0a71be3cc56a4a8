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
  stopwatch const timer;
  double best = 0;
  for (int variant = 0; variant < read_variants; ++variant)
    for (int round = 0; round < 6; ++round) {  // the first warms up
      timer.start(on);
      check(read_through(data.as(), bytes, sink.as<unsigned>(), variant, {on, false, processors}), "reading memory");
      best = std::max(best, static_cast<double>(bytes) / (static_cast<double>(timer.stop(on)) / 1e3));
    }
  return best;
}

}  // namespace gpuplace::cuda
