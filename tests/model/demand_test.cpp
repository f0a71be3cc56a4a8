#include <gtest/gtest.h>

#include <gpuplace/model/demand.hpp>

using namespace gpuplace;

namespace {
unit layer_of(bytes kv, std::int64_t window = 0) {
  unit u;
  u.kv_bytes_per_token = kv;
  u.kv_window = window;
  u.workspace_bytes_per_token = bytes{10};
  return u;
}
demand load_of(std::int64_t context, std::int64_t sequences) {
  demand d;
  d.context = context;
  d.sequences = sequences;
  return d;
}
}  // namespace

TEST(demand, kv_is_held_in_whole_pages_for_every_sequence) {
  EXPECT_EQ(kv_bytes(layer_of(bytes{4}), load_of(33, 3)), bytes{4 * 48 * 3});
  auto narrow = load_of(100, 3);
  narrow.step_tokens = 17;
  EXPECT_EQ(kv_bytes(layer_of(bytes{4}, 16), narrow), bytes{4 * 32 * 3})
      << "a window forgets what is behind it: 15 tokens and a step";
  EXPECT_EQ(kv_bytes(layer_of(bytes{4}, 16), load_of(33, 3)), bytes{4 * 48 * 3}) << "one step holds the whole context";
  EXPECT_EQ(kv_bytes(layer_of(bytes{4}, 100), load_of(33, 3)), bytes{4 * 48 * 3}) << "a wide window holds the context alone";
}

TEST(demand, weights_only_asks_for_nothing_else) {
  auto d = load_of(4096, 8);
  d.weights_only = true;
  EXPECT_EQ(kv_bytes(layer_of(bytes{4}), d), bytes{});
  EXPECT_EQ(workspace_bytes(layer_of(bytes{4}), d), bytes{});
}

TEST(demand, the_head_sees_sampled_rows_only) {
  auto head = layer_of(bytes{});
  head.kind = unit_kind::head;
  EXPECT_EQ(step_rows(layer_of(bytes{}), load_of(4096, 8)), 2048);
  EXPECT_EQ(step_rows(head, load_of(4096, 8)), 8);
  EXPECT_EQ(workspace_bytes(head, load_of(4096, 8)), bytes{80});
}
