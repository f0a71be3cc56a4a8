#include <gpuplace/plan.hpp>
#include <gpuplace/plan.hpp>  // the second is to do no harm

#include <gtest/gtest.h>

TEST(plan_umbrella, can_be_included_twice) { EXPECT_EQ(gpuplace::plan{}.schema, gpuplace::plan::current_schema); }
