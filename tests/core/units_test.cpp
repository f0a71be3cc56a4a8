#include <gpuplace/core/units.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;

TEST(units, literals_are_binary_or_decimal_by_name) {
  EXPECT_EQ((1_GiB).count(), 1073741824);
  EXPECT_EQ((1_GB).count(), 1000000000);
  EXPECT_LT(1_GB, 1_GiB);
}

TEST(units, room_left_may_be_negative) { EXPECT_EQ((1_KiB - 1_MiB).count(), 1024 - 1048576); }

TEST(units, moving_bytes_takes_time) {
  EXPECT_DOUBLE_EQ((100_GB / gigabytes_per_second{50}).count(), 2.0);
  EXPECT_DOUBLE_EQ((100_GB / gigabytes_per_second{}).count(), 0.0);
}
