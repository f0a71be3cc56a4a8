#include <gpuplace/plan/usage.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

using namespace gpuplace;

namespace {

TEST(usage, sums_the_stages_of_all_models_on_a_device) {
  auto p = plans::six_to_two();
  p.models[1].replicas[0].stages[0].device = plans::cuda(0);
  p.devices[0].used_bytes = 8_GiB;
  auto const usage = usage_by_device(p);
  EXPECT_EQ(usage[0], (device_usage{.weights = 4_GiB, .kv = 2_GiB, .kv_pool = 16_GiB, .workspace = 2_GiB, .stages = 2}));
  EXPECT_EQ(usage[1], (device_usage{.weights = 2_GiB, .kv = 1_GiB, .kv_pool = 8_GiB, .workspace = 1_GiB, .stages = 1}));
  EXPECT_EQ(usage[6].stages, 0u);
}

TEST(usage, workspace_is_at_least_what_the_stages_say) {
  auto p = plans::copies(1);
  p.devices[0].used_bytes = {};
  EXPECT_EQ(usage_by_device(p)[0].workspace, 512_MiB);
}

TEST(usage, finds_devices_by_id) {
  auto const p = plans::copies(3);
  EXPECT_EQ(find_device(p, plans::cuda(2)), &p.devices[2]);
  EXPECT_EQ(find_device(p, plans::cuda(2, "node")), nullptr);
}

}  // namespace
