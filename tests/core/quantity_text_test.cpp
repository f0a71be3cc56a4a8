#include <gpuplace/core/quantity_text.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;

TEST(parse_bytes, reads_what_hugging_face_users_write) {
  EXPECT_EQ(parse_bytes("75GiB").value(), 75_GiB);
  EXPECT_EQ(parse_bytes("75GB").value(), 75_GB);
  EXPECT_EQ(parse_bytes("75gib").value(), 75_GiB);
  EXPECT_EQ(parse_bytes(" 1.5 GiB ").value(), 1536_MiB);
  EXPECT_EQ(parse_bytes("1024").value(), 1_KiB);
  EXPECT_EQ(parse_bytes("0").value(), 0_B);
}

TEST(parse_bytes, refuses_nonsense_with_a_remedy) {
  for (auto const* text : {"", "lots", "-3GiB", "5XB", "nan", "inf", "1e40GiB", "GiB", "3 GiB or so"}) {
    auto const amount = parse_bytes(text);
    ASSERT_TRUE(amount.has_error()) << text;
    EXPECT_EQ(amount.error().code, errc::invalid_argument);
    EXPECT_NE(amount.error().message().find("75GiB"), std::string::npos);
  }
}

TEST(to_string, names_amounts_in_binary_units) {
  EXPECT_EQ(to_string(512_B), "512 B");
  EXPECT_EQ(to_string(15_GiB + 300_MiB), "15.3 GiB");
  EXPECT_EQ(to_string(0_B - 2_GiB), "-2.0 GiB");
}
