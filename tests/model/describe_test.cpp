#include <gtest/gtest.h>

#include <cstddef>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <stdexcept>
#include <string>

using namespace gpuplace;

namespace {
model_description described(std::string const& name, dtype type = dtype::bf16) {
  return describe(preset_config(name).value(), type, name, "preset:" + name);
}
unit const& unit_called(model_description const& model, std::string const& name) {
  for (auto const& u : model.units)
    if (u.name == name) return u;
  throw std::out_of_range(name);
}
}  // namespace

TEST(describe, lists_units_from_embedding_to_head) {
  auto const model = described("qwen3-8b");
  ASSERT_EQ(model.units.size(), 39u);
  EXPECT_EQ(model.units.front().name, "model.embed_tokens");
  EXPECT_EQ(model.units[1].name, "model.layers.0");
  EXPECT_EQ(model.units[36].name, "model.layers.35");
  EXPECT_EQ(model.units[37].name, "model.norm");
  EXPECT_EQ(model.units.back().name, "lm_head");
  EXPECT_EQ(model.source, "preset:qwen3-8b");
}

TEST(describe, bytes_are_the_published_parameters_in_every_plain_format) {
  for (auto const& name : preset_names())
    for (auto const type : {dtype::bf16, dtype::fp16, dtype::fp32})
      EXPECT_EQ(total_weight_bytes(described(name, type), tied_head::shared),
                stored_bytes(parameter_count(preset_config(name).value()), type))
          << name;
}

TEST(describe, a_copied_head_weighs_as_much_as_the_embedding) {
  auto const tied = described("smollm2-135m");
  EXPECT_EQ(total_weight_bytes(tied, tied_head::copied) - total_weight_bytes(tied, tied_head::shared),
            tied.units.front().weight_bytes);
  auto const untied = described("qwen3-8b");
  EXPECT_EQ(total_weight_bytes(untied, tied_head::copied), total_weight_bytes(untied, tied_head::shared));
}

TEST(describe, quantised_layers_shrink_and_the_rest_stays_in_bf16) {
  auto const plain = described("llama-3.1-8b"), int8 = described("llama-3.1-8b", dtype::int8),
             int4 = described("llama-3.1-8b", dtype::int4);
  for (std::size_t i = 0; i < plain.units.size(); ++i) {
    EXPECT_EQ(int8.units[i].kv_bytes_per_token, plain.units[i].kv_bytes_per_token) << "the cache is in bf16";
    if (plain.units[i].kind != unit_kind::decoder_layer) {
      EXPECT_EQ(int4.units[i].weight_bytes, plain.units[i].weight_bytes) << plain.units[i].name;
    }
  }
  std::int64_t const linear = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 14336 * 4096, norms = 2 * 4096;
  std::int64_t const rows = 2 * 4096 + 2 * 1024 + 2 * 14336 + 4096;
  EXPECT_EQ(int8.units[1].weight_bytes.count(), linear + rows * 4 + norms * 2);
  EXPECT_EQ(int4.units[1].weight_bytes.count(), linear / 2 + linear / 64 * 2 + norms * 2);
}

TEST(describe, kv_and_arithmetic_of_a_layer) {
  auto const model = described("llama-3.1-8b");
  auto const& layer = unit_called(model, "model.layers.0");
  EXPECT_EQ(layer.kv_bytes_per_token.count() * 32, 131072) << "Llama 3.1 8B is known to keep 128 KiB a token";
  EXPECT_DOUBLE_EQ(layer.attention_flops_per_position, 4 * 4096);
  double flops = 0;
  for (auto const& u : model.units) flops += u.flops_per_token;
  auto const matrices = 8'030'261'248 - 128256LL * 4096 - 65LL * 4096;
  EXPECT_DOUBLE_EQ(flops, 2.0 * static_cast<double>(matrices)) << "two a parameter, but for the embedding and the norms";
}

TEST(describe, what_leaves_a_unit_is_a_hidden_state_or_logits) {
  auto const model = described("qwen3-8b");
  for (auto const& u : model.units) {
    EXPECT_EQ(u.output_bytes_per_token.count(), u.kind == unit_kind::head ? 151936 * 4 : 4096 * 2) << u.name;
    EXPECT_GE(u.workspace_bytes_per_token, u.output_bytes_per_token) << u.name;
    EXPECT_EQ(u.kv_bytes_per_token > bytes{}, u.kind == unit_kind::decoder_layer) << u.name;
    EXPECT_EQ(u.read_bytes_per_token.count(), u.kind == unit_kind::embedding ? 4096 * 2 : 0) << u.name;
  }
}

TEST(describe, only_sliding_layers_have_a_window) {
  auto const model = described("gemma-3-1b");
  EXPECT_EQ(unit_called(model, "model.layers.4").kv_window, 512);
  EXPECT_EQ(unit_called(model, "model.layers.5").kv_window, 0);
  EXPECT_EQ(unit_called(model, "model.layers.6").kv_window, 512);
}

TEST(describe, a_layer_with_its_experts_is_one_unit) {
  auto const model = described("mixtral-8x7b");
  ASSERT_EQ(model.units.size(), 35u);
  auto const& layer = unit_called(model, "model.layers.31");
  std::int64_t const expert = 3 * 14336 * 4096, attention = 2 * 4096 * 4096 + 2 * 1024 * 4096, router = 8 * 4096;
  EXPECT_EQ(layer.weight_bytes.count(), 2 * (8 * expert + attention + router + 2 * 4096));
  EXPECT_EQ(layer.expert_bytes.count(), 2 * 8 * expert);
  EXPECT_DOUBLE_EQ(layer.expert_share, 0.25);
  EXPECT_DOUBLE_EQ(layer.flops_per_token, 2.0 * static_cast<double>(2 * expert + attention + router)) << "two experts work";
  double flops = 0;
  for (auto const& u : model.units) flops += u.flops_per_token;
  EXPECT_NEAR(flops / 2, 12.9e9 - 32000 * 4096, 0.05e9) << "12.9 billion active parameters, as published";
  EXPECT_EQ(unit_called(described("mistral-7b"), "model.layers.0").expert_bytes, bytes{});
}

TEST(describe, a_router_stays_in_bf16) {
  auto const layer = unit_called(described("mixtral-8x7b", dtype::int4), "model.layers.0");
  std::int64_t const expert = 3 * 14336 * 4096, attention = 2 * 4096 * 4096 + 2 * 1024 * 4096;
  EXPECT_EQ(layer.weight_bytes.count(), (8 * expert + attention) / 2 + (8 * expert + attention) / 64 * 2 + 2 * (8 + 2) * 4096);
  EXPECT_EQ(layer.expert_bytes.count(), 8 * expert / 2 + 8 * expert / 64 * 2);
}

TEST(describe, a_vision_tower_encodes_before_the_embedding) {
  auto const model = described("qwen2.5-vl-72b"), text = described("qwen2.5-72b");
  ASSERT_EQ(model.units.size(), text.units.size() + 34);
  EXPECT_EQ(model.units[0].name, "visual.patch_embed");
  EXPECT_EQ(model.units[1].name, "visual.blocks.0");
  EXPECT_EQ(model.units[33].name, "visual.merger");
  EXPECT_EQ(model.units[34].name, "model.embed_tokens");
  for (std::size_t i = 0; i < model.units.size(); ++i) {
    EXPECT_EQ(model.units[i].phase, i < 34 ? unit_phase::encode : unit_phase::decode);
    if (i >= 34) {
      EXPECT_EQ(model.units[i], text.units[i - 34]);
    }
  }
  EXPECT_EQ(model.units[33].output_bytes_per_token, model.units[34].output_bytes_per_token) << "image tokens join the text's";
}
