#include "cuda_fixture.hpp"
#include "probe.hpp"
#include "runtime.hpp"

#include <gpuplace/topology/gpu_models.hpp>
#include <gtest/gtest.h>

#include <cstddef>

namespace gpuplace::cuda {
namespace {

constexpr std::size_t mebi = std::size_t{1} << 20;

class probe : public ::testing::Test {
protected:
  void SetUp() override {
    GPUPLACE_NEEDS_GPU();
    check(cudaSetDevice(0), "choosing the device");
  }
};

/// The card's row in the table, or null.
topology::gpu_model const* card() {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "properties");
  return topology::find_gpu_model(properties.name);
}

}  // namespace

TEST_F(probe, reads_memory_at_most_at_the_data_sheets_rate) {
  auto const rate = best_read_rate(1024 * mebi) / 1e9;
  EXPECT_GT(rate, 50);
  if (auto const* const known = card()) {
    EXPECT_GT(rate, 0.6 * known->memory_bandwidth);
    EXPECT_LT(rate, 1.1 * known->memory_bandwidth);
  }
}

TEST_F(probe, copies_from_and_to_pinned_memory) {
  auto const rates = best_host_rates(64 * mebi);
  for (auto const rate : {rates.from_host, rates.to_host}) {
    EXPECT_GT(rate, 0.5e9);
    EXPECT_LT(rate, 1e12);
  }
}

TEST_F(probe, multiplies_faster_in_bf16_and_not_beyond_the_peak) {
  auto const narrow = best_product_rate(4096, true) / 1e12, wide = best_product_rate(2048, false) / 1e12;
  EXPECT_GT(narrow, wide);
  if (auto const* const known = card()) {
    EXPECT_LT(narrow, 1.1 * known->peak_bf16);
    EXPECT_LT(wide, 1.1 * known->peak_fp32);
    EXPECT_GT(narrow, 0.2 * known->peak_bf16);
    EXPECT_GT(wide, 0.2 * known->peak_fp32);
  }
}

TEST_F(probe, copies_between_every_two_cards) {
  auto const count = device_count();
  if (count < 2) GTEST_SKIP() << "one GPU";
  for (int a = 0; a < count; ++a)
    for (int b = 0; b < count; ++b) {
      if (a == b) continue;
      auto const rates = measure_copies(a, b, 64 * mebi);
      EXPECT_GT(rates.rate, 0.5e9) << a << " to " << b;
      EXPECT_GT(rates.latency, 1e-7) << a << " to " << b;
      EXPECT_LT(rates.latency, 1e-2) << a << " to " << b;
    }
  check(cudaSetDevice(0), "choosing the device");
}

}  // namespace gpuplace::cuda
