#include <gpuplace/runtime/limits_of_plan.hpp>

#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/placement/place.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;

namespace {

// The bytes of what the limits promise: pages of the layers that remember all, and what windows remember in every slot.
std::int64_t promised(executor_limits const& limits, model_description const& model, demand const& load) {
  std::int64_t total = 0;
  for (auto const& u : model.units)
    total += u.kv_window > 0 ? kv_bytes(u, load).count() : u.kv_bytes_per_token.count() * limits.kv_pages * limits.page_tokens;
  return total;
}

}  // namespace

TEST(limits_of_plan, pages_and_windows_fill_the_pool_and_no_more) {
  for (auto const* name : {"gemma-3-1b", "qwen2.5-1.5b"}) {
    workload work;
    work.models.push_back({"model", describe(preset_config(name).value(), dtype::bf16, name, std::string("preset:") + name), {}});
    auto& load = work.models[0].load;
    load.context = 8192;
    load.sequences = 8;
    auto const roomy = place(uniform_group(1, bytes{std::int64_t{80} << 30}, {}), work, one_group{}, whole{}).value();
    auto const& needed = roomy.models[0].replicas[0].stages[0];
    // Just what the demand needs: every slot has its whole context.
    auto tight = roomy;
    tight.models[0].replicas[0].stages[0].kv_pool_bytes = needed.kv_bytes;
    auto const& description = work.models[0].model;
    auto const limits = limits_of(tight.models[0], tight.models[0].replicas[0], description).value();
    EXPECT_EQ(limits.kv_pages, 8 * pages_for(8192, limits.page_tokens)) << name;
    EXPECT_EQ(promised(limits, description, load), needed.kv_bytes.count()) << name;
    // Three quarters of it: fewer pages, within the pool; what windows keep of each slot stays.
    auto const less = bytes{needed.kv_bytes.count() / 4 * 3};
    tight.models[0].replicas[0].stages[0].kv_pool_bytes = less;
    auto const fewer = limits_of(tight.models[0], tight.models[0].replicas[0], description).value();
    EXPECT_LT(fewer.kv_pages, limits.kv_pages) << name;
    EXPECT_GT(fewer.kv_pages, 0) << name;
    EXPECT_LE(promised(fewer, description, load), less.count()) << name;
  }
}

TEST(limits_of_plan, a_pool_below_one_page_is_refused) {
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("gemma-3-1b").value(), dtype::bf16, "gemma-3-1b", "preset:gemma-3-1b"), {}});
  auto placed = place(uniform_group(1, bytes{std::int64_t{80} << 30}, {}), work, one_group{}, whole{}).value();
  placed.models[0].replicas[0].stages[0].kv_pool_bytes = bytes{1000};
  auto const refused = limits_of(placed.models[0], placed.models[0].replicas[0], work.models[0].model);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::does_not_fit);
}
