#include <gpuplace/placement/cost_model.hpp>

#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/placement/replica_cost.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
seconds whole_step(model_description const& m, device_group const& g, step_work const& w) {
  return cost_of(whole{}.partition(m.units, g, {}).value(), m.units, g, w, m.type).step();
}
}  // namespace

TEST(cost_model, decoding_one_stream_takes_the_time_of_reading_the_weights) {
  auto const model = t::preset("qwen3-8b");
  auto const step = whole_step(model, t::gpus(1, 80_GiB), step_work::decode(1, 512));
  // 8.19e9 parameters less the embedding's table of 151936 x 4096, in bf16, at 3350 GB/s, beside 39 launches of 2 us.
  auto const floor = (8190735360.0 - 151936.0 * 4096) * 2 / 3350e9;
  EXPECT_NEAR(step.count(), floor + 39 * 2e-6, 0.02 * floor);
}

TEST(cost_model, prefill_is_bound_by_arithmetic) {
  auto const model = t::preset("qwen3-8b");
  auto const step = whole_step(model, t::gpus(1, 80_GiB), step_work::prefill(1, 8192));
  auto const matrices = 2 * (8190735360.0 - 2 * 151936.0 * 4096) * 8192 / 989e12;
  EXPECT_GT(step.count(), matrices);
  EXPECT_LT(step.count(), 1.4 * matrices);
}

TEST(cost_model, a_hop_costs_latency_and_bytes) {
  auto const model = t::small_model(8);
  auto const group = t::gpus(2, 24_GiB);
  auto const work = step_work::decode(32, 128);
  auto const split = cost_of(even{}.partition(model.units, group, {}).value(), model.units, group, work, model.type);
  ASSERT_EQ(split.hops.size(), 1U);
  EXPECT_NEAR(split.hops[0].count(), 11.5e-6 + 32 * 1024 * 2 / 370e9, 1e-12);
  EXPECT_NEAR(split.step().count(), whole_step(model, group, work).count() + split.hops[0].count(), 1e-9);
}

TEST(cost_model, a_device_of_unknown_speed_costs_only_its_launches) {
  auto const model = t::small_model(8);
  EXPECT_EQ(whole_step(model, uniform_group(1, 24_GiB, t::nvlink()), step_work::decode(1, 1)).count(), 0);
}

TEST(cost_model, vision_blocks_take_no_part_in_decoding) {
  auto const seeing = t::preset("qwen2.5-vl-72b");
  auto const blind = t::preset("qwen2.5-72b");
  auto const view = t::gpus(1, 160_GiB);
  EXPECT_NEAR(whole_step(seeing, view, step_work::decode(1, 64)).count(), whole_step(blind, view, step_work::decode(1, 64)).count(),
              1e-6);
}

TEST(cost_model, a_step_reads_the_experts_that_its_tokens_choose) {
  auto const model = t::preset("mixtral-8x7b");
  auto const& layer = model.units[1];
  auto const all = static_cast<double>(layer.weight_bytes.count()), experts = static_cast<double>(layer.expert_bytes.count());
  EXPECT_DOUBLE_EQ(weight_reads(layer, 1), all - experts + experts * 2 / 8) << "one token: two of eight";
  // Two tokens choose 2 of 8 each: 1 - (6/8)^2 of all experts, by the chance that neither takes one.
  EXPECT_DOUBLE_EQ(weight_reads(layer, 2), all - experts + experts * 7 / 16);
  EXPECT_NEAR(weight_reads(layer, 512), all, 1) << "a batch reads them all";
  for (double rows = 1; rows < 64; ++rows) EXPECT_LT(weight_reads(layer, rows), weight_reads(layer, rows + 1));
  auto const dense = t::preset("mistral-7b").units[1];
  EXPECT_DOUBLE_EQ(weight_reads(dense, 1), static_cast<double>(dense.weight_bytes.count()));
}

TEST(cost_model, decoding_a_mixture_of_experts_costs_its_active_parameters) {
  auto const step = whole_step(t::preset("mixtral-8x7b"), t::gpus(1, 141_GiB), step_work::decode(1, 512));
  auto const floor = (12.88e9 - 32000.0 * 4096) * 2 / 3350e9;  // 12.9 billion parameters work for a token, as published
  EXPECT_NEAR(step.count(), floor + 35 * 2e-6, 0.02 * floor);
}
