#include <gpuplace/placement/partition/whole.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

TEST(whole, is_one_stage_on_the_first_device) {
  auto const model = t::small_model(24);
  EXPECT_EQ(whole{}.partition(model.units, t::gpus(2, 24_GiB), {}).value(),
            (stages{{.device = 0, .first = 0, .last = model.units.size()}}));
}

TEST(whole, needs_a_device) { EXPECT_TRUE(whole{}.partition(t::small_model(2).units, device_group{}, {}).has_error()); }
