// libgpuplace_cuda_probe.so: measurements for the command, which links nothing of CUDA itself.

#include "probe_library.hpp"

#include "matmul.hpp"
#include "probe.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

namespace {

namespace cuda = gpuplace::cuda;

constexpr std::size_t mebi = std::size_t{1} << 20;
constexpr std::size_t copied = 256 * mebi;

/// Runs `work`; what it throws is written to `why`.
template <class F>
int guarded(char* why, int size, F&& work) {
  try {
    work();
    return 0;
  } catch (std::exception const& e) {
    std::snprintf(why, static_cast<std::size_t>(size), "%s", e.what());
    return 1;
  }
}

/// At most 4 GiB, and no more than half of what is free.
std::size_t bytes_to_read() {
  std::size_t free = 0, total = 0;
  cuda::check(cudaMemGetInfo(&free, &total), "asking for free memory");
  return std::min(4096 * mebi, free / 2 / mebi * mebi);
}

int count(int* gpus, char* why, int size) {
  return guarded(why, size, [&] { cuda::check(cudaGetDeviceCount(gpus), "counting GPUs"); });
}

int pci(int gpu, char* text, char* why, int size) {
  return guarded(why, size, [&] { cuda::check(cudaDeviceGetPCIBusId(text, 32, gpu), "asking for the PCI address"); });
}

int try_gpu(int gpu, char* why, int size) {
  return guarded(why, size, [&] {
    cuda::check(cudaSetDevice(gpu), "choosing the device");
    cuda::matmul const products;
  });
}

int measure(int gpu, gpuplace_probe_device* rates, char* why, int size) {
  return guarded(why, size, [&] {
    *rates = {};
    cuda::check(cudaSetDevice(gpu), "choosing the device");
    rates->memory = cuda::best_read_rate(bytes_to_read()) / 1e9;
    auto const host = cuda::best_host_rates(copied);
    rates->from_host = host.from_host / 1e9;
    rates->to_host = host.to_host / 1e9;
    guarded(rates->note, sizeof rates->note, [&] {  // memory and links count without cuBLASLt too
      rates->bf16 = cuda::best_product_rate(8192, true) / 1e12;
      rates->fp32 = cuda::best_product_rate(4096, false) / 1e12;
    });
  });
}

int measure_pair(int from, int to, gpuplace_probe_pair* rates, char* why, int size) {
  return guarded(why, size, [&] {
    auto const copies = cuda::measure_copies(from, to, copied);
    *rates = {copies.rate / 1e9, copies.latency * 1e6, copies.staged ? 1 : 0};
  });
}

}  // namespace

extern "C" __attribute__((visibility("default"))) gpuplace_probe_library const* gpuplace_probe() {
  static gpuplace_probe_library const offered{
      sizeof(gpuplace_probe_library), CUDART_VERSION, count, pci, try_gpu, measure, measure_pair};
  return &offered;
}
