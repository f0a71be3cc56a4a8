#include <gpuplace/placement/explain.hpp>

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>

#include "machines.hpp"

#include <gtest/gtest.h>

namespace {

using namespace gpuplace;
using gpuplace::testing::gpus;
using gpuplace::testing::one;
using gpuplace::testing::preset;
using gpuplace::testing::small_model;

demand of(std::int64_t context, std::int64_t sequences) { return {.context = context, .sequences = sequences}; }

template <class P>
std::string explained(device_group const& view, workload const& work, P const& partition) {
  auto const made = place(view, work, one_group{}, partition).value();
  return explain(made, {work.models.front().model}, view).value();
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

TEST(time_parts, sum_to_the_time_of_the_stage) {
  auto const model = preset("qwen3-8b");
  auto const view = gpus(1, 80_GiB);
  for (auto const& work :
       {step_work::decode(1, 4096), step_work::decode(256, 1024), step_work::prefill(1, 4096), step_work::decode(1, 1)}) {
    auto const parts = stage_time_parts(model.units, view[0], work, dtype::bf16);
    EXPECT_NEAR(parts.total() / stage_time(model.units, view[0], work, dtype::bf16), 1, 1e-9);
    EXPECT_EQ(parts.links.count(), 0);
  }
}

TEST(time_parts, say_what_binds) {
  auto const model = preset("qwen3-8b");
  auto on = gpus(1, 80_GiB)[0];
  auto const binding = [&](step_work const& work) { return stage_time_parts(model.units, on, work, dtype::bf16).binding(); };
  EXPECT_EQ(binding(step_work::decode(1, 1024)), "memory bandwidth");
  EXPECT_EQ(binding(step_work::prefill(1, 4096)), "compute");
  on.launch_cost = seconds{1};
  EXPECT_EQ(binding(step_work::decode(1, 1024)), "launching work");
  on.launch_cost = {};
  on.memory_bandwidth = {};
  on.peak_bf16 = {};
  EXPECT_EQ(binding(step_work::decode(1, 1024)), "nothing that is known");
}

TEST(explain, says_what_the_step_is_bound_by) {
  auto const text = explained(gpus(2, 80_GiB), one(preset("qwen3-8b"), of(1024, 1)), even{});
  EXPECT_TRUE(has(text, "bound by memory bandwidth: ")) << text;
  EXPECT_TRUE(has(text, "cuda:0: ")) << text;
  EXPECT_TRUE(has(text, "then NV18 to cuda:1: ")) << text;
}

TEST(explain, slow_links_bind) {
  auto const model = gpus(1, 80_GiB)[0];
  auto const view =
      uniform_group(2, model, path{.kind = path_kind::network, .bandwidth = gigabytes_per_second{1}, .latency = microseconds{1e6}});
  EXPECT_TRUE(has(explained(view, one(small_model(4)), even{}), "bound by links: "));
}

TEST(explain, the_best_split_is_called_that_and_no_other) {
  auto const view = gpus(2, 80_GiB);
  auto const work = one(small_model(24), of(4096, 1));
  EXPECT_TRUE(has(explained(view, work, optimal<balance_memory>{}), "largest device 2") ||
              has(explained(view, work, optimal<balance_memory>{}), "the best there is (exact)"));
  auto const all_on_one = explained(view, work, even{});
  // Two stages wait for a hop that one does not have.
  EXPECT_TRUE(has(all_on_one, "; the best split ")) << all_on_one;
}

TEST(explain, no_split_is_faster_or_evener_than_its_bound) {
  for (auto const sequences : {1, 8, 64}) {
    auto const work = one(small_model(13), of(2048, sequences));
    auto const view = gpus(3, 80_GiB);
    auto const check = [&](auto const& partition) {
      auto const made = place(view, work, one_group{}, partition).value();
      auto const& r = made.models[0].replicas[0];
      auto const& units = work.models[0].model.units;
      auto const spans = detail::spans_of(r, units, view, "test").value();
      auto const bound = bound_of(made, made.models[0], r, spans, units, view);
      ASSERT_TRUE(bound.step && bound.largest && bound.exact);
      EXPECT_GE(explain_replica(r, spans, units, made.models[0], view).step, *bound.step * (1 - 1e-6));
      EXPECT_GE(detail::largest_device(r), *bound.largest);
      EXPECT_NEAR(explain_replica(r, spans, units, made.models[0], view).step / made.predicted[0].decode_step, 1, 1e-9);
    };
    check(even{});
    check(sequential{});
    check(optimal<>{});
    check(optimal<latency>{});
    check(optimal<balance_memory>{});
  }
}

TEST(explain, counts_the_sequences_that_still_fit) {
  auto const view = gpus(1, 24_GiB);
  auto const text = explained(view, one(preset("qwen3-1.7b"), of(4096, 1)), whole{});
  auto const at = text.find("the KV pools hold ");
  ASSERT_NE(at, text.npos) << text;
  auto const more = std::stoll(text.substr(at + 18));
  auto const fits = [&](std::int64_t n) {
    return place(view, one(preset("qwen3-1.7b"), of(4096, 1 + n)), one_group{}, whole{}).has_value();
  };
  EXPECT_GT(more, 10);
  EXPECT_FALSE(fits(more + 1));
}

TEST(explain, what_others_take_of_a_device_is_not_offered_again) {
  auto const view = gpus(2, 40_GiB);
  auto const work = gpuplace::testing::pair(preset("qwen3-8b"), preset("qwen3-1.7b"), of(1024, 1));
  auto const made = place(view, work, same{}, even{}).value();
  auto const text = explain(made, {work.models[0].model, work.models[1].model}, view).value();
  EXPECT_TRUE(has(text, "target ")) << text;
  EXPECT_TRUE(has(text, "drafter ")) << text;
}

TEST(explain, many_like_devices_are_counted) {
  auto const text = explained(gpus(40, 24_GiB), one(small_model(4)), optimal<fewest_devices>{});
  EXPECT_TRUE(has(text, " more like it")) << text;
  EXPECT_LT(std::ranges::count(text, '\n'), 20);
}

}  // namespace
