#include "cpu_probe.hpp"

#include "../plugins.hpp"

#include <gpuplace/topology/shared_library.hpp>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace gpuplace::cli {

namespace {

constexpr std::size_t bytes_each = std::size_t{128} << 20;  // beyond any core's share of the caches
constexpr int rounds = 6;                                   // the first warms up

// Sums that do not wait for each other, so that reading is what takes the time.
std::uint64_t sum_of(std::vector<std::uint64_t> const& data) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 8 <= data.size(); i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += data[i + k];
  std::uint64_t all = 0;
  for (auto const s : sums) all += s;
  return all;
}

void measure_products([[maybe_unused]] int threads, [[maybe_unused]] topology::device_rates& rates) {
#if GPUPLACE_HAVE_TORCH
  auto const path = own_library("libgpuplace_torch_backend.so");
  if (!path) return;
  static auto& kept = *new topology::shared_library(topology::shared_library::open(path->string()));  // libtorch's threads stay
  auto* const products = kept.function<void(int, double*, double*)>("gpuplace_cpu_products");
  if (products == nullptr) return;
  double bf16 = 0, fp32 = 0;
  products(threads, &bf16, &fp32);
  rates.bf16 = teraflops{bf16};
  rates.fp32 = teraflops{fp32};
#endif
}

}  // namespace

double read_rate(int threads, std::size_t bytes_each_reads) {
  using clock = std::chrono::steady_clock;
  std::atomic<std::uint64_t> sink{0};
  std::barrier together(threads);
  double best = 1e30;
  auto const work = [&](int number) {
    std::vector<std::uint64_t> const data(bytes_each_reads / sizeof(std::uint64_t), 1);  // touched by the thread that reads it
    for (int round = 0; round < rounds; ++round) {
      together.arrive_and_wait();
      auto const begin = clock::now();
      sink += sum_of(data);
      together.arrive_and_wait();
      if (number == 0 && round > 0) best = std::min(best, std::chrono::duration<double>(clock::now() - begin).count());
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
  }
  return static_cast<double>(threads) * static_cast<double>(bytes_each_reads) / best / 1e9;
}

topology::device_rates measure_cores(int threads) {
  topology::device_rates rates;
  rates.memory = gigabytes_per_second{read_rate(threads, bytes_each)};
  measure_products(threads, rates);
  return rates;
}

topology::device_rates share_of(topology::device_rates const& all, std::size_t slots) {
  auto const count = static_cast<double>(slots);
  return {all.memory * (1 / count), {}, {}, teraflops{all.bf16.value() / count}, teraflops{all.fp32.value() / count}};
}

}  // namespace gpuplace::cli
