// A made-up libgpuplace_cuda_probe.so: two GPUs in the slots of the first made-up NVML machine, the second slower than the first.
// FAKE_PROBE_FAILS names a GPU that cannot be measured.
#include "../../../src/cuda/probe_library.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

int refuse(char* why, int size) { return std::snprintf(why, static_cast<std::size_t>(size), "out of memory, says the test"), 1; }
bool fails(int gpu) {
  char const* const which = std::getenv("FAKE_PROBE_FAILS");
  return which != nullptr && std::atoi(which) == gpu;
}

int count(int* gpus, char*, int) { return *gpus = 2, 0; }
int pci(int gpu, char* text, char*, int) { return std::strcpy(text, gpu == 0 ? "0000:18:00.0" : "0000:9a:00.0"), 0; }
int try_gpu(int gpu, char* why, int size) { return fails(gpu) ? refuse(why, size) : 0; }
int measure(int gpu, gpuplace_probe_device* rates, char* why, int size) {
  if (fails(gpu)) return refuse(why, size);
  if (std::getenv("FAKE_PROBE_HAS_NO_CUBLAS") != nullptr) return *rates = {3000, 55, 54, 0, 0, "libcublasLt is not found"}, 0;
  return *rates = {3000.0 - gpu, 55, 54, 700, 50, ""}, 0;
}
int measure_pair(int from, int to, gpuplace_probe_pair* rates, char*, int) { return *rates = {300.0 + from, 9.0 + to, 0}, 0; }

}  // namespace

extern "C" __attribute__((visibility("default"))) gpuplace_probe_library const* gpuplace_probe() {
  static gpuplace_probe_library const offered{sizeof(gpuplace_probe_library), 13000, count, pci, try_gpu, measure, measure_pair};
  return &offered;
}
