#include <gtest/gtest.h>

#include <gpuplace/weights/element_type.hpp>

using namespace gpuplace;

TEST(element_type, names_read_back) {
  for (auto const& format : detail::element_formats) {
    EXPECT_EQ(parse_element_type(format.name), format.type);
    EXPECT_EQ(to_string(format.type), format.name) << "the table is in the order of the enumeration";
  }
  EXPECT_EQ(parse_element_type("bf16"), std::nullopt);
}

TEST(element_type, weights_are_in_the_three_plain_formats) {
  for (auto const& format : detail::element_formats) {
    auto const type = to_dtype(format.type);
    if (type) {
      EXPECT_EQ(stored_bytes(1, *type).count(), format.size);
    }
    EXPECT_EQ(type.has_value(), format.name == "F32" || format.name == "BF16" || format.name == "F16");
  }
}
