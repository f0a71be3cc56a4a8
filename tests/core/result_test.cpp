#include <gpuplace/core/result.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;

namespace {
result<int> half(int n) {
  if (n % 2 != 0) return error{errc::invalid_argument, std::to_string(n) + " is odd", "half", "double it first"};
  return n / 2;
}
result<int> quarter(int n) {
  GPUPLACE_TRY(auto const h, half(n));
  return half(h);
}
result<void> even(int n) {
  GPUPLACE_CHECK(half(n));
  return {};
}
}  // namespace

TEST(result, try_passes_the_first_error_on) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().what, "3 is odd");
  EXPECT_TRUE(even(2).has_value());
  EXPECT_TRUE(even(3).has_error());
}

TEST(result, value_throws_the_whole_message) {
  try {
    half(3).value();
    FAIL();
  } catch (failure const& e) {
    EXPECT_STREQ(e.what(), "half: 3 is odd\n  double it first");
    EXPECT_EQ(e.error().code, errc::invalid_argument);
  }
}
