#include <gpuplace/core/device_id.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;

TEST(device_id, text_and_value_are_inverse) {
  for (auto const* text : {"cuda:0", "cpu:7", "node-3/cuda:11", "cluster/row/cuda:1"})
    EXPECT_EQ(to_string(parse_device_id(text).value()), text);
}

TEST(device_id, a_bare_index_is_a_cuda_device) { EXPECT_EQ(to_string(parse_device_id("3").value()), "cuda:3"); }

TEST(device_id, refuses_what_names_no_device) {
  for (auto const* text : {"", "cuda", "cuda:", "cuda:-1", "cuda:1x", "gpu:0", "host/"})
    EXPECT_TRUE(parse_device_id(text).has_error()) << text;
}
