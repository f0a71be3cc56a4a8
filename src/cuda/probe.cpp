#include "probe.hpp"

#include "kernels/kernels.hpp"
#include "matmul.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <random>
#include <vector>

namespace gpuplace::cuda {

namespace {

/// Seconds of what `enqueue` puts into `on`, the best of some rounds of which the first warms up.
template <class F>
double best_seconds(int rounds, cudaStream_t on, F&& enqueue) {
  stopwatch const timer;
  double best = 1e30;
  for (int round = 0; round <= rounds; ++round) {
    timer.start(on);
    enqueue();
    auto const took = static_cast<double>(timer.stop(on)) / 1e3;
    if (round > 0) best = std::min(best, took);
  }
  return best;
}

/// Numbers of both signs: a product of like numbers takes less power than real ones, and runs faster for it.
void fill(device_memory const& matrix, number type) {
  std::vector<float> tile(std::size_t{1} << 18);
  std::minstd_rand draw;
  std::uniform_real_distribution<float> around_zero(-1, 1);
  for (auto& value : tile) value = around_zero(draw);
  std::vector<std::uint16_t> narrow(tile.size());
  for (std::size_t i = 0; i < tile.size(); ++i) narrow[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(tile[i]) >> 16);
  void const* const from = type == number::bf16 ? static_cast<void const*>(narrow.data()) : tile.data();
  auto filled = std::min(matrix.size(), tile.size() * static_cast<std::size_t>(bytes_of(type)));
  check(cudaMemcpy(matrix.as(), from, filled, cudaMemcpyHostToDevice), "filling a matrix");
  for (; filled < matrix.size(); filled *= 2)
    check(cudaMemcpy(matrix.as() + filled, matrix.as(), std::min(filled, matrix.size() - filled), cudaMemcpyDeviceToDevice),
          "filling a matrix");
}

double median(std::vector<double> times) {
  auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace

double best_read_rate(std::size_t bytes) {
  auto const data = allocate(bytes, "memory to read"), sink = allocate(sizeof(unsigned), "memory to read");
  stream const on;
  check(cudaMemsetAsync(data.as(), 0x5a, bytes, on), "filling memory");
  int device = 0, processors = 0;
  check(cudaGetDevice(&device), "the current device");
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "the device's processors");
  double best = 0;
  for (int variant = 0; variant < read_variants; ++variant) {
    auto const took = best_seconds(5, on, [&] {
      check(read_through(data.as(), bytes, sink.as<unsigned>(), variant, {on, false, processors}), "reading memory");
    });
    best = std::max(best, static_cast<double>(bytes) / took);
  }
  return best;
}

host_rates best_host_rates(std::size_t bytes) {
  auto const here = allocate_pinned(bytes);
  auto const there = allocate(bytes, "memory to copy to");
  stream const on;
  auto const rate = [&](void* to, void const* from, cudaMemcpyKind way) {
    return static_cast<double>(bytes) /
           best_seconds(5, on, [&] { check(cudaMemcpyAsync(to, from, bytes, way, on), "copying to or from the host"); });
  };
  return {rate(there.as(), here.as(), cudaMemcpyHostToDevice), rate(here.as(), there.as(), cudaMemcpyDeviceToHost)};
}

double best_product_rate(int width, bool narrow) {
  auto const type = narrow ? number::bf16 : number::fp32;
  auto const side = static_cast<std::size_t>(width);
  auto const bytes = side * side * static_cast<std::size_t>(bytes_of(type));
  auto const weight = allocate(bytes, "a matrix"), x = allocate(bytes, "a matrix"), y = allocate(bytes, "a matrix");
  matmul products;
  stream const on;
  for (auto const* matrix : {&weight, &x}) fill(*matrix, type);
  check(cudaDeviceSynchronize(), "filling a matrix");
  auto const took = best_seconds(8, on, [&] {
    products.multiply({.type = type, .rows = width, .outputs = width, .inputs = width}, weight.as(), x.as(), y.as(), on);
  });
  return 2.0 * width * width * width / took;
}

copy_rates measure_copies(int from, int to, std::size_t bytes) {
  copy_rates made;
  made.staged = !connect(from, to);
  use_device(to);
  auto const target = allocate(bytes, "memory to copy to");
  use_device(from);
  auto const origin = allocate(bytes, "memory to copy from");
  stream const on;
  auto const copy = [&](std::size_t size) {
    check(cudaMemcpyPeerAsync(target.as(), to, origin.as(), from, size, on), "copying from card to card");
  };
  made.rate = static_cast<double>(bytes) / best_seconds(5, on, [&] { copy(bytes); });
  std::vector<double> small;
  for (int round = 0; round < 200; ++round) small.push_back(best_seconds(1, on, [&] { copy(4096); }));
  made.latency = median(std::move(small));
  return made;
}

}  // namespace gpuplace::cuda
