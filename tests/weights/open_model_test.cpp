#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <gpuplace/weights/open_model.hpp>
#include <string>
#include <vector>

#include "weights/tiny_files.hpp"

using namespace gpuplace;
using namespace gpuplace::testing_tools;

namespace {

/// The bytes of a unit's tensors as the files hold them.
bytes bytes_in_files(checkpoint const& weights, std::string const& unit) {
  bytes total;
  for (auto const& tensor : weights.tensors_of(unit))
    if (!tensor.name.ends_with("rotary_emb.inv_freq")) total += bytes{static_cast<std::int64_t>(tensor.data.size())};
  return total;
}

/// Every unit weighs exactly what its tensors take on the disk.
void expect_exact(std::filesystem::path const& folder) {
  auto const weights = open_checkpoint(folder).value();
  auto const stored = to_dtype(weights.find("model.embed_tokens.weight")->type).value();
  auto const model = open_model(folder.string(), stored).value();
  for (auto const& u : model.units)
    EXPECT_EQ(u.weight_bytes, bytes_in_files(weights, u.tied ? "model.embed_tokens" : u.name)) << folder << ' ' << u.name;
}

temporary_folder const& tiny_folder() {
  static temporary_folder const folder;
  static bool const written = [] {
    auto const file = folder.write("tiny/config.json", tiny_config("Qwen3ForCausalLM", true).dump());
    return write_tensors(folder.path() / "tiny/model.safetensors", tiny_tensors(read_model_config(file).value())).has_value();
  }();
  EXPECT_TRUE(written);
  return folder;
}

}  // namespace

TEST(open_model, bytes_are_those_of_files_made_here) {
  for (char const* name :
       {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"})
    for (bool const tied : {false, true}) {
      temporary_folder const folder;
      auto json = tiny_config(name, tied);
      json["attention_bias"] = tied;
      auto const config = read_model_config(folder.write("config.json", json.dump())).value();
      write_shards(folder, tiny_tensors(config), 2);
      expect_exact(folder.path());
    }
}

TEST(open_model, tensors_beyond_the_configuration_are_counted_with_their_unit) {
  temporary_folder const folder;
  auto const config = read_model_config(folder.write("config.json", tiny_config("Qwen3ForCausalLM", true).dump())).value();
  auto tensors = tiny_tensors(config);
  write_tensors(folder.path() / "model.safetensors", tensors).value();
  auto const plain_bf16 = open_model(folder.path().string(), dtype::bf16).value();
  auto const plain_fp32 = open_model(folder.path().string(), dtype::fp32).value();
  tensors.push_back(make_tensor("model.layers.1.self_attn.mask", element_type::boolean, {3, 5}));
  tensors.push_back(make_tensor("model.layers.1.counter", element_type::i64, {7}));
  tensors.push_back(make_tensor("model.layers.1.scale", element_type::bf16, {11}));
  write_tensors(folder.path() / "model.safetensors", tensors).value();
  auto const more = [&](dtype type, model_description const& plain) {
    auto const model = open_model(folder.path().string(), type).value();
    std::vector<std::int64_t> counts;
    for (std::size_t u = 0; u < model.units.size(); ++u) {
      auto const difference = (model.units[u].weight_bytes - plain.units[u].weight_bytes).count();
      if (difference != 0) {
        EXPECT_EQ(model.units[u].name, "model.layers.1");
        counts.push_back(difference);
      }
    }
    return counts;
  };
  std::int64_t const whole = 3 * 5 * 1 + 7 * 8;  // truth values and integers stay as they are
  EXPECT_EQ(more(dtype::bf16, plain_bf16), (std::vector<std::int64_t>{whole + 11 * 2}));
  EXPECT_EQ(more(dtype::fp32, plain_fp32), (std::vector<std::int64_t>{whole + 11 * 4}));
}

TEST(open_model, bytes_are_those_of_files_transformers_wrote) {
  std::filesystem::path const models = GPUPLACE_TEST_DATA "/models";
  if (!std::filesystem::is_directory(models)) GTEST_SKIP() << "no " << models;
  for (auto const& entry : std::filesystem::directory_iterator(models))
    if (has_checkpoint(entry.path())) expect_exact(entry.path());
}

TEST(open_model, bytes_are_those_of_downloaded_models) {
  char const* const models = std::getenv("GPUPLACE_TEST_MODELS");
  if (!models) GTEST_SKIP() << "set GPUPLACE_TEST_MODELS to a folder of checkpoints";
  for (auto const& entry : std::filesystem::directory_iterator(models))
    if (has_checkpoint(entry.path())) expect_exact(entry.path());
}

TEST(open_model, the_checkpoints_own_format_is_the_default) {
  auto const folder = tiny_folder().path() / "tiny";
  EXPECT_EQ(open_model(folder.string()).value().type, dtype::bf16);
  EXPECT_EQ(open_model(folder.string(), dtype::int4).value().type, dtype::int4);
  EXPECT_EQ(open_model("preset:qwen3-8b").value().type, dtype::bf16);
}

TEST(open_model, a_folder_a_config_and_its_preset_are_one_model) {
  auto const folder = tiny_folder().path() / "tiny";
  auto const with_weights = open_model(folder.string()).value();
  auto const config_only = open_model((folder / "config.json").string()).value();
  EXPECT_EQ(with_weights.name, "tiny");
  EXPECT_EQ(with_weights.units, config_only.units);
  EXPECT_NE(with_weights.fingerprint, config_only.fingerprint);
  EXPECT_TRUE(same_model(with_weights.fingerprint, config_only.fingerprint));
  EXPECT_FALSE(same_model(with_weights.fingerprint, open_model("preset:qwen3-8b").value().fingerprint));
}

TEST(open_model, weights_of_another_model_are_refused_but_a_config_alone_is_planned) {
  temporary_folder const folder;
  auto const file = folder.write("config.json", tiny_config("LlamaForCausalLM", false).dump());
  auto config = read_model_config(file).value();
  config.layers = 2;
  ASSERT_TRUE(write_tensors(folder.path() / "model.safetensors", tiny_tensors(config)).has_value());
  EXPECT_EQ(open_model(folder.path().string()).error().code, errc::mismatch);
  EXPECT_TRUE(open_model(file.string()).has_value());
}

TEST(open_model, says_what_to_do_where_nothing_is_found) {
  EXPECT_NE(open_model("preset:qwen9").error().remedy.find("qwen3-8b"), std::string::npos);
  temporary_folder const cache;
  scoped_environment const set("HF_HUB_CACHE", cache.path().string());
  EXPECT_NE(open_model("Qwen/Qwen3-8B").error().remedy.find("hf download Qwen/Qwen3-8B"), std::string::npos);
  EXPECT_EQ(open_model(cache.path().string()).error().code, errc::not_found);
}
