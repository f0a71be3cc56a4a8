#include <gpuplace/plan/tree.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

#include <algorithm>
#include <string>

using namespace gpuplace;

namespace {

bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

TEST(plan_tree, shows_target_and_drafter_as_people_draw_them) {
  EXPECT_EQ(tree_text(plans::six_to_two()),
            "target (Qwen3-8B, bf16):\n"
            "├─ cuda:0: layers 0-3 + embedding       3.5 GiB of 24.0 GiB\n"
            "├─ cuda:1: layers 4-7                   3.5 GiB of 24.0 GiB\n"
            "├─ cuda:2: layers 8-11                  3.5 GiB of 24.0 GiB\n"
            "├─ cuda:3: layers 12-15                 3.5 GiB of 24.0 GiB\n"
            "├─ cuda:4: layers 16-19                 3.5 GiB of 24.0 GiB\n"
            "└─ cuda:5: layers 20-23 + norm + head   3.5 GiB of 24.0 GiB\n"
            "\n"
            "drafter (Qwen3-1.7B, bf16):\n"
            "├─ cuda:6: layers 0-11 + embedding      3.5 GiB of 24.0 GiB\n"
            "└─ cuda:7: layers 12-23 + norm + head   3.5 GiB of 24.0 GiB\n");
}

TEST(plan_tree, replicas_stand_under_their_numbers) {
  auto p = plans::copies(2);
  p.models[0].replicas[1].stages = {plans::layers(plans::cuda(1), 0, 11, 24), plans::layers(plans::cuda(0), 12, 23, 24)};
  p.models[0].replicas[1].adapters = {"law"};
  EXPECT_EQ(tree_text(p),
            "model (Qwen2.5-7B, bf16), 2 replicas:\n"
            "├─ replica 0 on cuda:0: layers 0-23 + embedding + norm + head   3.5 GiB of 24.0 GiB\n"
            "└─ replica 1 (adapter law):\n"
            "   ├─ cuda:1: layers 0-11 + embedding                           3.5 GiB of 24.0 GiB\n"
            "   └─ cuda:0: layers 12-23 + norm + head                        3.5 GiB of 24.0 GiB\n");
}

TEST(plan_tree, many_like_replicas_are_counted) {
  EXPECT_EQ(tree_text(plans::copies(64)),
            "model (Qwen2.5-7B, bf16), 64 replicas:\n"
            "├─ replica 0 on cuda:0: layers 0-23 + embedding + norm + head     3.5 GiB of 24.0 GiB\n"
            "├─ … 62 more like it\n"
            "└─ replica 63 on cuda:63: layers 0-23 + embedding + norm + head   3.5 GiB of 24.0 GiB\n");
  auto const sixteen = tree_text(plans::copies(16));
  EXPECT_EQ(std::count(sixteen.begin(), sixteen.end(), '\n'), 17);
}

TEST(plan_tree, a_replica_that_differs_is_never_hidden) {
  auto p = plans::copies(40);
  p.models[0].replicas[20].stages[0].weight_bytes = 7_GiB;
  auto const text = tree_text(p);
  EXPECT_TRUE(contains(text, "replica 20 on cuda:20: layers 0-23 + embedding + norm + head   8.5 GiB of 24.0 GiB")) << text;
  EXPECT_TRUE(contains(text, "… 18 more like it")) << text;
  EXPECT_TRUE(contains(text, "… 17 more like it")) << text;
}

TEST(plan_tree, devices_are_tabled_with_a_bar) {
  auto p = plans::six_to_two();
  p.devices.resize(2);
  plans::add_device(p, plans::cuda(9), {});
  EXPECT_EQ(device_table(p),
            "device          weights  KV cache  workspace     used  KV pool  capacity        █ used ▒ pool\n"
            "GPU 0 (cuda:0)  2.0 GiB   1.0 GiB    1.0 GiB  4.0 GiB  8.0 GiB  24.0 GiB  17 %  ███▒▒▒▒▒▒···········\n"
            "GPU 1 (cuda:1)  2.0 GiB   1.0 GiB    1.0 GiB  4.0 GiB  8.0 GiB  24.0 GiB  17 %  ███▒▒▒▒▒▒···········\n"
            "GPU 9 (cuda:9)        -         -          -        -        -  24.0 GiB   0 %  ····················\n");
}

TEST(plan_tree, the_table_counts_like_devices_of_a_large_machine) {
  auto const text = device_table(plans::copies(64));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_TRUE(contains(text, "\n… 62 more like it\n")) << text;
}

TEST(plan_tree, bars_keep_their_width_whatever_the_amounts) {
  for (auto const full : {0_B, 1_B, 12_GiB, 24_GiB, 99_GiB})
    for (auto const half : {0_B, 1_B, 12_GiB, 99_GiB})
      for (auto const whole : {0_B, 1_B, 24_GiB})
        EXPECT_EQ(detail::text_width(detail::bar_text(full, half, whole)), detail::bar_cells);
}

TEST(plan_tree, one_text_holds_trees_table_predictions_and_notes) {
  auto p = plans::six_to_two();
  p.predicted = {{.role = "target", .decode_step = seconds{0.0125}, .prefill = seconds{0.25}, .tokens_per_second = 80}};
  p.notes = {"context clamped to 4096"};
  auto const text = plan_text(p);
  EXPECT_TRUE(text.starts_with(tree_text(p)));
  EXPECT_TRUE(contains(text, device_table(p)));
  EXPECT_TRUE(text.ends_with(
      "\ntarget (predicted): 12.5 ms a decode step, 250 ms a prompt, 80 tokens/s\n\nnote: context clamped to 4096\n"))
      << text;
}

TEST(plan_tree, prints_any_plan) {
  plans::random_plans random(5);
  for (int i = 0; i < 200; ++i) EXPECT_NO_FATAL_FAILURE(plan_text(random.next()));
  EXPECT_EQ(plan_text({}), "");
}

}  // namespace
