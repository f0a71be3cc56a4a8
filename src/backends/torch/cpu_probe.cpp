#include "cpu_probe.hpp"

#include "cpu_kernels.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <chrono>

namespace gpuplace::torch_detail {
namespace {

constexpr std::int64_t rows = 256, width = 2048;

/// The best of rounds that fill half a second, in TFLOP/s.
double product_rate(device_kernels& kernels, at::ScalarType type) {
  using clock = std::chrono::steady_clock;
  auto const x = at::empty({rows, width}, type).fill_(0.5), weight = at::empty({width, width}, type).fill_(0.25);
  auto const out = at::empty({rows, width}, type);
  linear_weights const parts{{weight, {}}};
  kernels.linear(x, parts, out);
  double best = 1e30;
  auto const until = clock::now() + std::chrono::milliseconds(500);
  do {
    auto const begin = clock::now();
    kernels.linear(x, parts, out);
    best = std::min(best, std::chrono::duration<double>(clock::now() - begin).count());
  } while (clock::now() < until);
  return 2.0 * rows * width * width / best / 1e12;
}

}  // namespace

product_rates measure_products(int threads) {
  at::set_num_threads(threads);
  auto const kernels = make_cpu_kernels(*torch_cpu::usable_levels().front());
  return {product_rate(*kernels, at::kBFloat16), product_rate(*kernels, at::kFloat)};
}

}  // namespace gpuplace::torch_detail
