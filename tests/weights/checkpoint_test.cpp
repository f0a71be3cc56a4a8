#include <gtest/gtest.h>

#include <algorithm>
#include <gpuplace/weights/checkpoint.hpp>
#include <string>
#include <utility>
#include <vector>

#include "weights/tiny_files.hpp"

using namespace gpuplace;
using namespace gpuplace::testing_tools;
using nlohmann::json;

namespace {
model_config config_of(char const* name, bool tied = false) { return model_config_from_json(tiny_config(name, tied), "c").value(); }
model_config const qwen2 = config_of("Qwen2ForCausalLM");

/// The tensors of `config` with one of them changed.
template <class Change>
std::vector<owned_tensor> with_change(model_config const& config, std::string const& name, Change change) {
  auto tensors = tiny_tensors(config);
  for (auto& tensor : tensors)
    if (tensor.name == name) change(tensor);
  return tensors;
}
checkpoint written(temporary_folder const& folder, std::vector<owned_tensor> const& tensors) {
  write_tensors(folder.path() / "model.safetensors", tensors).value();
  return open_checkpoint(folder.path()).value();
}
}  // namespace

TEST(checkpoint, shards_and_a_single_file_hold_the_same) {
  temporary_folder const single, sharded;
  auto const tensors = tiny_tensors(qwen2);
  auto const one = written(single, tensors);
  write_shards(sharded, tensors, 3);
  auto const many = open_checkpoint(sharded.path()).value();
  EXPECT_EQ(many.files().size(), 3u);
  EXPECT_EQ(many.size(), tensors.size());
  for (auto const& tensor : tensors) {
    ASSERT_NE(many.find(tensor.name), nullptr) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(many.find(tensor.name)->data, tensor.data));
    EXPECT_TRUE(std::ranges::equal(one.find(tensor.name)->data, tensor.data));
  }
  EXPECT_EQ(weights_fingerprint(one), weights_fingerprint(many));
  EXPECT_TRUE(has_checkpoint(single.path()) && has_checkpoint(sharded.path()));
}

TEST(checkpoint, tensors_of_a_unit_are_its_own) {
  temporary_folder const folder;
  auto config = qwen2;
  config.layers = 12;
  auto const weights = written(folder, tiny_tensors(config));
  std::size_t total = 0;
  for (auto const& unit : tensors_by_unit(config)) {
    EXPECT_EQ(weights.tensors_of(unit.name).size(), unit.tensors.size()) << unit.name;
    total += unit.tensors.size();
  }
  EXPECT_EQ(total, weights.size());
  EXPECT_EQ(weights.tensors_of("model.layers.1").front().name, "model.layers.1.input_layernorm.weight") << "not of layer 10 or 11";
  EXPECT_TRUE(weights.tensors_of("model.layers.99").empty());
}

TEST(checkpoint, views_outlive_a_move) {
  temporary_folder const folder;
  auto first = written(folder, tiny_tensors(qwen2));
  auto const* const norm = first.find("model.norm.weight");
  auto const second = std::move(first);
  EXPECT_EQ(second.find("model.norm.weight"), norm);
  EXPECT_EQ(norm->name, "model.norm.weight");
}

TEST(checkpoint, missing_files_are_named) {
  temporary_folder const folder;
  EXPECT_FALSE(has_checkpoint(folder.path()));
  EXPECT_EQ(open_checkpoint(folder.path()).error().code, errc::not_found);
  write_shards(folder, tiny_tensors(qwen2), 2);
  std::filesystem::remove(folder.path() / "model-2.safetensors");
  auto const e = open_checkpoint(folder.path()).error();
  EXPECT_EQ(e.code, errc::not_found);
  EXPECT_NE(e.where.find("model-2.safetensors"), std::string::npos) << e;
}

TEST(checkpoint, an_index_that_lies_is_refused) {
  temporary_folder const folder;
  write_shards(folder, tiny_tensors(qwen2), 2);
  auto const good = read_json_file(folder.path() / "model.safetensors.index.json").value();
  auto const refused = [&](json const& index, std::string const& part) {
    folder.write("model.safetensors.index.json", index.dump());
    auto const weights = open_checkpoint(folder.path());
    ASSERT_TRUE(weights.has_error()) << part;
    EXPECT_EQ(weights.error().code, errc::malformed);
    EXPECT_NE(weights.error().message().find(part), std::string::npos) << weights.error();
  };
  auto with = [&](char const* tensor, json shard) {
    auto index = good;
    index["weight_map"][tensor] = std::move(shard);
    return index;
  };
  refused(with("model.ghost.weight", "model-1.safetensors"), "'model.ghost.weight' is not there");
  refused(with("model.norm.weight", "../model-1.safetensors"), "not a file beside the index");
  refused(with("model.norm.weight", "/etc/passwd"), "not a file beside the index");
  refused(with("model.norm.weight", ".."), "not a file beside the index");
  refused(with("model.norm.weight", ""), "not a file beside the index");
  refused(with("model.norm.weight", 3), "not a file name");
  refused(json::array(), "'weight_map'");
  refused(json{{"weight_map", json::object()}}, "'weight_map'");
}

TEST(checkpoint, a_tensor_in_two_shards_is_refused) {
  temporary_folder const folder;
  auto const tensors = tiny_tensors(qwen2);
  write_shards(folder, tensors, 2);
  std::vector<owned_tensor> more(tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() / 2), tensors.end());
  more.push_back(tensors.front());
  write_tensors(folder.path() / "model-2.safetensors", more).value();
  auto const e = open_checkpoint(folder.path()).error();
  EXPECT_EQ(e.code, errc::malformed);
  EXPECT_NE(e.what.find(tensors.front().name), std::string::npos);
}

TEST(checkpoint, every_tensor_is_held_against_the_config) {
  for (char const* name :
       {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"})
    for (bool const tied : {false, true}) {
      temporary_folder const folder;
      auto const config = config_of(name, tied);
      EXPECT_EQ(check_checkpoint(written(folder, tiny_tensors(config)), config).value(), checkpoint_report{}) << name;
      for (auto const& spec : expected_tensors(config)) {
        auto tensors = tiny_tensors(config);
        std::erase_if(tensors, [&](owned_tensor const& t) { return t.name == spec.name; });
        auto const e = check_checkpoint(written(folder, tensors), config).error();
        EXPECT_EQ(e.code, errc::mismatch);
        EXPECT_NE(e.what.find(spec.name), std::string::npos) << e;
      }
    }
}

TEST(checkpoint, wrong_shapes_and_formats_are_named) {
  temporary_folder const folder;
  auto const shape =
      check_checkpoint(written(folder, with_change(qwen2, "model.layers.1.mlp.up_proj.weight",
                                                   [](owned_tensor& t) { t = make_tensor(t.name, t.type, {16, 24}); })),
                       qwen2);
  EXPECT_EQ(shape.error().what, "tensor 'model.layers.1.mlp.up_proj.weight' is [16, 24] and config.json asks for [24, 16]");
  auto const format = check_checkpoint(
      written(folder,
              with_change(qwen2, "model.norm.weight", [](owned_tensor& t) { t = make_tensor(t.name, element_type::i8, t.shape); })),
      qwen2);
  EXPECT_EQ(format.error().code, errc::unsupported);
  EXPECT_NE(format.error().what.find("I8"), std::string::npos);
}

TEST(checkpoint, extra_tensors_are_reported) {
  temporary_folder const folder;
  auto const config = config_of("LlamaForCausalLM", true);
  auto tensors = tiny_tensors(config);
  for (char const* name :
       {"model.layers.0.self_attn.rotary_emb.inv_freq", "lm_head.weight", "model.layers.0.self_attn.q_proj.bias"})
    tensors.push_back(make_tensor(name, element_type::f32, {2}));
  auto const report = check_checkpoint(written(folder, tensors), config).value();
  EXPECT_EQ(report.ignored, (std::vector<std::string>{"lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"}));
  EXPECT_EQ(report.unexpected, (std::vector<std::string>{"model.layers.0.self_attn.q_proj.bias"}));
}

TEST(checkpoint, unexpected_tensors_are_refused_by_name) {
  EXPECT_TRUE(refuse_unexpected({{"lm_head.weight"}, {}}, "f"));
  auto const one = refuse_unexpected({{}, {"model.a"}}, "f").error();
  EXPECT_EQ(one.code, errc::mismatch);
  EXPECT_EQ(one.what, "tensor 'model.a' is not part of the model that config.json describes");
  EXPECT_EQ(refuse_unexpected({{}, {"model.a", "model.b", "model.c"}}, "f").error().what,
            "tensor 'model.a' and 2 more are not part of the model that config.json describes");
}

TEST(checkpoint, the_language_model_of_several_towers_is_found_by_its_own_names) {
  auto keys = tiny_config("Gemma3ForCausalLM", true);
  auto const text = model_config_from_json(keys, "c").value();
  keys["architectures"] = {"Gemma3ForConditionalGeneration"};
  auto const part = model_config_from_json(keys, "c").value();
  auto tensors = tiny_tensors(text);
  temporary_folder const plain, towers;
  auto const alone = written(plain, tensors);
  for (auto& tensor : tensors) tensor.name.insert(0, "language_model.");
  tensors.push_back(make_tensor("vision_tower.vision_model.head.weight", element_type::bf16, {2, 3}));
  tensors.push_back(make_tensor("multi_modal_projector.mm_input_projection_weight", element_type::bf16, {4}));
  write_shards(towers, tensors, 3);
  auto const among = open_checkpoint(towers.path()).value();
  EXPECT_EQ(check_checkpoint(alone, text).value(), checkpoint_report{});
  auto const report = check_checkpoint(among, part).value();
  EXPECT_EQ(report.ignored.size(), 2u);
  EXPECT_TRUE(report.unexpected.empty());
  EXPECT_EQ(check_checkpoint(among, text).value().unexpected.size(), 2u) << "a text model has no tower";
  EXPECT_EQ(among.tensors_of("model.layers.1").size(), alone.tensors_of("model.layers.1").size());
  EXPECT_EQ(among.tensors_of("model.layers.1").front().name, "model.layers.1.input_layernorm.weight");
}

TEST(checkpoint, a_link_that_leads_nowhere_is_an_interrupted_download) {
  temporary_folder const folder;
  std::filesystem::create_symlink("../../blobs/0123", folder.path() / "model.safetensors");
  EXPECT_TRUE(has_checkpoint(folder.path()));
  auto const e = open_checkpoint(folder.path()).error();
  EXPECT_EQ(e.code, errc::not_found);
  EXPECT_NE(e.remedy.find("incomplete"), std::string::npos) << e;
}

TEST(checkpoint, the_fingerprint_sees_names_formats_and_shapes) {
  temporary_folder const folder;
  auto const base = weights_fingerprint(written(folder, tiny_tensors(qwen2)));
  auto const changed = [&](auto change) {
    return weights_fingerprint(written(folder, with_change(qwen2, "model.norm.weight", change)));
  };
  EXPECT_EQ(changed([](owned_tensor& t) { t.data[0] = std::byte{1}; }), base) << "not the numbers";
  EXPECT_NE(changed([](owned_tensor& t) { t.name = "model.norm.bias"; }), base);
  EXPECT_NE(changed([](owned_tensor& t) { t.type = element_type::f16; }), base);
  EXPECT_NE(changed([](owned_tensor& t) { t.shape = {4, 4}; }), base);
}
