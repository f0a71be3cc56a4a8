#include <gtest/gtest.h>

#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/presets.hpp>
#include <string>
#include <utility>
#include <vector>

#include "model/temporary_folder.hpp"

using namespace gpuplace;
using nlohmann::json;
using testing_tools::temporary_folder;

namespace {

json llama31_json() {
  return json::parse(R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
    "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
    "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 128256})");
}

json qwen3_json() {
  return json::parse(R"({"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "bos_token_id": 151643,
    "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 6144,
    "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16,
    "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
    "sliding_window": null, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936})");
}

json qwen25_json() {
  return json::parse(R"({"architectures": ["Qwen2ForCausalLM"], "bos_token_id": 151643, "eos_token_id": 151645,
    "hidden_act": "silu", "hidden_size": 3584, "intermediate_size": 18944, "max_position_embeddings": 32768,
    "max_window_layers": 28, "model_type": "qwen2", "num_attention_heads": 28, "num_hidden_layers": 28,
    "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 131072,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 152064})");
}

/// `base` with one key set; null removes nothing, it is written.
json with(json base, char const* key, json value) {
  base[key] = std::move(value);
  return base;
}
json without(json base, char const* key) {
  base.erase(key);
  return base;
}
result<model_config> read(json const& document) { return model_config_from_json(document, "/models/x/config.json"); }

void expect_refused(json const& document, errc code, std::string const& part) {
  auto const config = read(document);
  ASSERT_TRUE(config.has_error()) << part;
  EXPECT_EQ(config.error().code, code) << config.error();
  EXPECT_NE(config.error().message().find(part), std::string::npos) << config.error();
  EXPECT_EQ(config.error().where, "/models/x/config.json");
}

}  // namespace

TEST(config_json, published_configs_equal_their_presets) {
  temporary_folder const folder;
  folder.write("generation_config.json", R"({"eos_token_id": [151645, 151643]})");
  EXPECT_EQ(read(llama31_json()).value(), preset_config("llama-3.1-8b").value());
  folder.write("config.json", qwen3_json().dump());
  EXPECT_EQ(read_model_config(folder.path()).value(), preset_config("qwen3-1.7b").value());
  auto const file = folder.write("config.json", qwen25_json().dump());
  EXPECT_EQ(read_model_config(file).value(), preset_config("qwen2.5-7b").value());
}

TEST(config_json, transformers_5_spelling_means_the_same) {
  auto newer = without(without(llama31_json(), "rope_theta"), "torch_dtype");
  newer["rope_parameters"] = newer["rope_scaling"];
  newer["rope_parameters"]["rope_theta"] = 500000.0;
  newer.erase("rope_scaling");
  newer["dtype"] = "bfloat16";
  EXPECT_EQ(read(newer).value(), read(llama31_json()).value());
  auto plain = without(qwen3_json(), "rope_theta");
  plain["rope_parameters"] = {{"rope_theta", 1000000}, {"rope_type", "default"}};
  EXPECT_EQ(read(plain).value(), read(qwen3_json()).value());
}

TEST(config_json, absent_keys_mean_what_transformers_makes_of_them) {
  auto const bare = read(without(without(without(llama31_json(), "num_key_value_heads"), "torch_dtype"), "rope_scaling")).value();
  EXPECT_EQ(bare.kv_heads, 32);
  EXPECT_EQ(bare.head_dim, 128);
  EXPECT_EQ(bare.type, dtype::fp32);
  EXPECT_FALSE(bare.rope_scaling);
  EXPECT_EQ(read(without(llama31_json(), "architectures")).value().family, architecture::llama);
}

TEST(config_json, biases_follow_the_family) {
  auto const biased = read(with(llama31_json(), "attention_bias", true)).value();
  EXPECT_TRUE(biased.qkv_bias && biased.output_bias);
  auto const qwen = read(qwen25_json()).value();
  EXPECT_TRUE(qwen.qkv_bias && !qwen.output_bias && !qwen.qk_norm);
  auto const qwen3 = read(qwen3_json()).value();
  EXPECT_TRUE(!qwen3.qkv_bias && qwen3.qk_norm);
}

TEST(config_json, a_window_counts_only_where_it_is_used) {
  EXPECT_EQ(read(qwen25_json()).value().sliding_window, 0);
  auto sliding = with(with(qwen25_json(), "use_sliding_window", true), "sliding_window", 4096);
  EXPECT_EQ(read(sliding).value().sliding_window, 0) << "max_window_layers 28 of 28: none slides";
  sliding["max_window_layers"] = 20;
  auto const config = read(sliding).value();
  EXPECT_EQ(config.window_of(19), 0);
  EXPECT_EQ(config.window_of(20), 4096);
  std::vector<std::string> types(28, "sliding_attention");
  types[0] = types[1] = "full_attention";
  EXPECT_EQ(read(with(sliding, "layer_types", types)).value().first_sliding_layer, 2);
  types[27] = "full_attention";
  expect_refused(with(sliding, "layer_types", types), errc::unsupported, "'layer_types'");
  expect_refused(with(sliding, "layer_types", json::array({"full_attention"})), errc::malformed, "'layer_types'");
}

TEST(config_json, every_needed_key_is_named_when_it_is_missing) {
  for (char const* key :
       {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    expect_refused(without(llama31_json(), key), errc::malformed, "'" + std::string(key) + "' is missing");
    expect_refused(with(llama31_json(), key, nullptr), errc::malformed, "'" + std::string(key) + "' is missing");
  }
}

TEST(config_json, senseless_values_are_refused_with_the_key) {
  std::vector<json> const values{
      0, -1, 1.5, "many", true, json::array(), json::object(), std::uint64_t{0xffffffffffffffff}, std::int64_t{1} << 62};
  for (char const* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
                          "vocab_size", "max_position_embeddings", "head_dim"})
    for (auto const& value : values)
      expect_refused(with(llama31_json(), key, value), errc::malformed, '\'' + std::string(key) + '\'');
  for (char const* key : {"rms_norm_eps", "rope_theta"})
    for (auto const& value : std::vector<json>{0, -1.0, "big", true, json::array()})
      expect_refused(with(llama31_json(), key, value), errc::malformed, '\'' + std::string(key) + '\'');
  for (char const* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"})
    expect_refused(with(llama31_json(), key, 1), errc::malformed, '\'' + std::string(key) + '\'');
}

TEST(config_json, sizes_must_agree) {
  expect_refused(with(llama31_json(), "num_key_value_heads", 5), errc::malformed, "not a multiple of 'num_key_value_heads' 5");
  expect_refused(with(llama31_json(), "hidden_size", 4097), errc::malformed, "not a multiple of 'num_attention_heads' 32");
  expect_refused(with(llama31_json(), "head_dim", 127), errc::malformed, "'head_dim'");
}

TEST(config_json, what_gpuplace_cannot_compute_is_unsupported) {
  expect_refused(with(llama31_json(), "architectures", {"MambaForCausalLM"}), errc::unsupported,
                 "known: LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM");
  expect_refused(with(llama31_json(), "rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}), errc::unsupported, "yarn");
  expect_refused(with(llama31_json(), "rope_scaling", {{"rope_type", "llama3"}}), errc::malformed,
                 "'rope_scaling.factor' is missing");
  expect_refused(with(llama31_json(), "rope_scaling", 4), errc::malformed, "'rope_scaling'");
  expect_refused(with(llama31_json(), "hidden_act", "gelu"), errc::unsupported, "gelu");
  expect_refused(with(llama31_json(), "torch_dtype", "int8"), errc::unsupported, "'torch_dtype'");
  expect_refused(with(llama31_json(), "quantization_config", {{"bits", 4}}), errc::unsupported, "--dtype int8 or int4");
}

TEST(config_json, architectures_must_be_names) {
  for (auto const& value : std::vector<json>{json::array(), "LlamaForCausalLM", {1}, json::object()})
    expect_refused(with(llama31_json(), "architectures", value), errc::malformed, "'architectures'");
  expect_refused(without(without(llama31_json(), "architectures"), "model_type"), errc::malformed, "'architectures' is missing");
  expect_refused(json::array(), errc::malformed, "must hold an object");
}

TEST(config_json, end_tokens_come_from_the_generation_config_first) {
  temporary_folder const folder;
  folder.write("config.json", qwen3_json().dump());
  EXPECT_EQ(read_model_config(folder.path()).value().end_tokens, (std::vector<std::int32_t>{151645}));
  folder.write("generation_config.json", R"({"eos_token_id": [7, 8]})");
  EXPECT_EQ(read_model_config(folder.path()).value().end_tokens, (std::vector<std::int32_t>{7, 8}));
  auto const file = folder.write("generation_config.json", R"({"eos_token_id": "stop"})");
  EXPECT_EQ(read_model_config(folder.path()).error().where, file.string());
  expect_refused(with(llama31_json(), "eos_token_id", {1, -1}), errc::malformed, "'eos_token_id'");
}

TEST(config_json, broken_files_are_named_with_the_line) {
  temporary_folder const folder;
  EXPECT_EQ(read_model_config(folder.path()).error().code, errc::not_found);
  auto const file = folder.write("config.json", "{\n\"hidden_size\": 4096,\n\"num_hidden");
  auto const broken = read_model_config(folder.path()).error();
  EXPECT_EQ(broken.code, errc::malformed);
  EXPECT_EQ(broken.where, file.string() + ":3");
  folder.write("config.json", "");
  EXPECT_EQ(read_model_config(folder.path()).error().code, errc::malformed);
  folder.write("config.json", std::string(200000, '['));
  EXPECT_EQ(read_model_config(folder.path()).error().code, errc::malformed);
}

TEST(config_json, deep_nesting_under_a_key_is_refused_without_following_it) {
  temporary_folder const folder;
  auto text = llama31_json().dump();
  text.replace(text.find("4096"), 4, std::string(200000, '[') + std::string(200000, ']'));
  folder.write("config.json", text);
  EXPECT_NE(read_model_config(folder.path()).error().what.find("not a list"), std::string::npos);
}

TEST(config_json, a_cut_file_never_crashes) {
  auto const text = llama31_json().dump(1);
  for (std::size_t length = 0; length < text.size(); ++length) {
    auto const document = parse_json(std::string_view(text).substr(0, length), "x");
    EXPECT_TRUE(document.has_error()) << length;
  }
}
