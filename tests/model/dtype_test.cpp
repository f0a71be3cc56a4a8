#include <gtest/gtest.h>

#include <gpuplace/model/dtype.hpp>

using namespace gpuplace;

TEST(dtype, names_read_back) {
  for (auto const type : all_dtypes) EXPECT_EQ(parse_dtype(to_string(type)).value(), type);
  EXPECT_EQ(parse_dtype("bfloat16").value(), dtype::bf16);
  EXPECT_EQ(parse_dtype("half").value(), dtype::fp16);
  EXPECT_EQ(parse_dtype("float").value(), dtype::fp32);
  EXPECT_EQ(parse_dtype("int3").error().code, errc::invalid_argument);
}

TEST(dtype, quantised_weights_carry_their_scales) {
  EXPECT_EQ(linear_bytes(10, 128, dtype::bf16).count(), 10 * 128 * 2);
  EXPECT_EQ(linear_bytes(10, 128, dtype::int8).count(), 10 * 128 + 10 * 4);
  EXPECT_EQ(linear_bytes(10, 128, dtype::int4).count(), 10 * 128 / 2 + 10 * 2 * 2);
  EXPECT_EQ(linear_bytes(1, 65, dtype::int4).count(), 33 + 2 * 2) << "odd counts and started groups round up";
}

TEST(dtype, quantised_weights_compute_in_bf16) {
  for (auto const type : all_dtypes) EXPECT_EQ(compute_dtype(type), is_quantized(type) ? dtype::bf16 : type);
}
