#include <gtest/gtest.h>

#include <algorithm>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/model/tensors.hpp>
#include <set>
#include <string>
#include <vector>

using namespace gpuplace;

namespace {
std::vector<std::int64_t> shape_in(std::vector<tensor_spec> const& tensors, std::string const& name) {
  auto const found = std::find_if(tensors.begin(), tensors.end(), [&](auto const& t) { return t.name == name; });
  return found == tensors.end() ? std::vector<std::int64_t>{} : found->shape;
}
using shape = std::vector<std::int64_t>;
}  // namespace

TEST(tensors, follow_hugging_face_names_and_shapes) {
  auto const qwen = expected_tensors(preset_config("qwen2.5-7b").value());
  EXPECT_EQ(qwen.size(), 339u) << "the entries of Qwen2.5-7B's index";
  EXPECT_EQ(shape_in(qwen, "model.layers.27.self_attn.k_proj.weight"), (shape{512, 3584}));
  EXPECT_EQ(shape_in(qwen, "model.layers.0.self_attn.v_proj.bias"), (shape{512}));
  EXPECT_EQ(shape_in(qwen, "model.layers.0.self_attn.o_proj.bias"), shape{});
  EXPECT_EQ(shape_in(qwen, "lm_head.weight"), (shape{152064, 3584}));
  auto const qwen3 = expected_tensors(preset_config("qwen3-8b").value());
  EXPECT_EQ(shape_in(qwen3, "model.layers.35.self_attn.q_norm.weight"), (shape{128}));
  EXPECT_EQ(expected_tensors(preset_config("llama-3.1-8b").value()).size(), 291u) << "the entries of Llama 3.1 8B's index";
}

TEST(tensors, experts_are_named_as_mixtral_stores_them) {
  auto const mixtral = expected_tensors(preset_config("mixtral-8x7b").value());
  EXPECT_EQ(mixtral.size(), 995u) << "the entries of Mixtral 8x7B's index";
  EXPECT_EQ(shape_in(mixtral, "model.layers.31.block_sparse_moe.gate.weight"), (shape{8, 4096}));
  EXPECT_EQ(shape_in(mixtral, "model.layers.0.block_sparse_moe.experts.7.w1.weight"), (shape{14336, 4096}));
  EXPECT_EQ(shape_in(mixtral, "model.layers.0.block_sparse_moe.experts.0.w2.weight"), (shape{4096, 14336}));
  EXPECT_EQ(shape_in(mixtral, "model.layers.0.mlp.up_proj.weight"), shape{});
}

TEST(tensors, a_tied_head_has_none_in_the_files) {
  auto const config = preset_config("smollm2-135m").value();
  EXPECT_EQ(expected_tensors(config).size(), 272u) << "the tensors of SmolLM2-135M's file";
  EXPECT_EQ(shape_in(expected_tensors(config), "lm_head.weight"), shape{});
  EXPECT_EQ(head_weight_name(config), "model.embed_tokens.weight");
  EXPECT_EQ(tensors_by_unit(config).back().tensors.front().elements(), 49152 * 576);
}

TEST(tensors, every_tensor_belongs_to_the_unit_whose_name_it_begins_with) {
  for (auto const& name : preset_names()) {
    std::set<std::string> seen;
    for (auto const& unit : tensors_by_unit(preset_config(name).value()))
      for (auto const& tensor : unit.tensors) {
        EXPECT_TRUE(tensor.name.starts_with(unit.name + '.')) << tensor.name;
        EXPECT_TRUE(seen.insert(tensor.name).second) << tensor.name << " is there twice";
      }
  }
}

TEST(tensors, only_linear_weights_of_decoder_layers_are_quantised) {
  for (auto const& unit : tensors_by_unit(preset_config("qwen2.5-vl-72b").value()))
    for (auto const& tensor : unit.tensors)
      EXPECT_EQ(tensor.quantizable, unit.kind == unit_kind::decoder_layer && tensor.shape.size() == 2) << tensor.name;
}
