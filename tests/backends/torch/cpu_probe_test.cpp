#include "cpu_probe.hpp"

#include <gtest/gtest.h>

TEST(measure_products, cores_multiply_in_both_formats) {
  auto const rates = gpuplace::torch_detail::measure_products(1);
  for (auto const rate : {rates.bf16, rates.fp32}) {
    EXPECT_GT(rate, 1e-4);
    EXPECT_LT(rate, 100);
  }
}
