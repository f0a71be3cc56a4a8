#include <gtest/gtest.h>

#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/presets.hpp>
#include <string>
#include <utility>
#include <variant>
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

json mixtral_json() {
  return json::parse(R"({"architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
    "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false, "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "vocab_size": 32000})");
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
  EXPECT_EQ(bare.rope.scaling, rope_scaling{});
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
  types[27] = "full_attention";
  auto const listed = read(with(sliding, "layer_types", types)).value();
  EXPECT_EQ(listed.window_of(1), 0);
  EXPECT_EQ(listed.window_of(2), 4096);
  EXPECT_EQ(listed.window_of(27), 0);
  types[27] = "linear_attention";
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
                 "known: LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, Qwen2ForCausalLM");
  for (char const* type : {"dynamic", "longrope", "su", "proportional"})
    expect_refused(with(llama31_json(), "rope_scaling", {{"type", type}, {"factor", 4.0}}), errc::unsupported,
                   std::string(type) + "\n  known: default, linear, llama3, yarn");
  expect_refused(with(llama31_json(), "partial_rotary_factor", 0.5), errc::unsupported, "'partial_rotary_factor'");
  expect_refused(with(llama31_json(), "rope_scaling", {{"rope_type", "llama3"}}), errc::malformed,
                 "'rope_scaling.factor' is missing");
  expect_refused(with(llama31_json(), "rope_scaling", 4), errc::malformed, "'rope_scaling'");
  expect_refused(with(llama31_json(), "hidden_act", "gelu"), errc::unsupported, "gelu");
  expect_refused(with(llama31_json(), "torch_dtype", "int8"), errc::unsupported, "'torch_dtype'");
  expect_refused(with(llama31_json(), "quantization_config", {{"bits", 4}}), errc::unsupported, "--dtype int8 or int4");
}

TEST(config_json, yarn_fills_in_what_is_not_said) {
  auto const yarn_of = [](json const& rope) {
    auto config = read(with(qwen25_json(), "rope_scaling", rope));
    EXPECT_TRUE(config) << config.error();
    return config ? std::get<yarn_rope>(config->rope.scaling) : yarn_rope{};
  };
  auto const published = yarn_of({{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}});
  EXPECT_EQ(published.original_context, 32768);
  EXPECT_EQ(published.beta_fast, 32);
  EXPECT_EQ(published.beta_slow, 1);
  EXPECT_TRUE(published.truncate);
  EXPECT_NEAR(published.attention_factor, 1.13862943611, 1e-9) << "0.1 ln 4 + 1";
  EXPECT_EQ(yarn_of({{"rope_type", "yarn"}, {"original_max_position_embeddings", 8192}}).factor, 4) << "the context says so";
  EXPECT_EQ(yarn_of({{"rope_type", "yarn"}, {"factor", 2}}).original_context, 32768);
  EXPECT_EQ(yarn_of({{"rope_type", "yarn"}, {"factor", 40}, {"mscale", 1.0}, {"mscale_all_dim", 1.0}}).attention_factor, 1);
  auto const all = yarn_of(
      {{"rope_type", "yarn"}, {"factor", 2}, {"beta_fast", 16}, {"beta_slow", 2}, {"truncate", false}, {"attention_factor", 0.5}});
  EXPECT_EQ(all, (yarn_rope{2, 32768, 16, 2, 0.5, false}));
  expect_refused(with(qwen25_json(), "rope_scaling", {{"type", "yarn"}, {"factor", "four"}}), errc::malformed,
                 "'rope_scaling.factor'");
  expect_refused(with(qwen25_json(), "rope_scaling", {{"type", "yarn"}, {"beta_fast", 1}, {"beta_slow", 2}}), errc::malformed,
                 "'rope_scaling.beta_fast'");
}

namespace {

json mistral_json() {
  return json::parse(R"({"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32768})");
}

json gemma3_json() {
  return json::parse(R"({"architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attn_logit_softcapping": null,
    "bos_token_id": 2, "eos_token_id": [1, 106], "final_logit_softcapping": null, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912, "max_position_embeddings": 32768,
    "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000, "rope_scaling": null,
    "rope_theta": 1000000, "sliding_window": 512, "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "vocab_size": 262144})");
}

json gemma2_json() {
  return json::parse(R"({"architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attn_logit_softcapping": 50.0,
    "bos_token_id": 2, "eos_token_id": 1, "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "intermediate_size": 9216, "max_position_embeddings": 8192,
    "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26, "num_key_value_heads": 4,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
    "torch_dtype": "float32", "vocab_size": 256000})");
}

}  // namespace

TEST(config_json, mistral_slides_everywhere_or_nowhere) {
  EXPECT_EQ(read(mistral_json()).value(), preset_config("mistral-7b").value());
  auto const first = read(with(mistral_json(), "sliding_window", 4096)).value();
  EXPECT_EQ(first.window_of(0), 4096);
  EXPECT_EQ(first.window_of(31), 4096);
  EXPECT_EQ(read(without(mistral_json(), "sliding_window")).value().window_of(0), 4096) << "the class's own default";
  EXPECT_FALSE(read(with(mistral_json(), "attention_bias", true)).value().qkv_bias);
}

TEST(config_json, gemma_3_has_two_kinds_of_layers) {
  auto const config = read(gemma3_json()).value();
  EXPECT_EQ(config, preset_config("gemma-3-1b").value());
  EXPECT_EQ(config.window_of(4), 512);
  EXPECT_EQ(config.window_of(5), 0);
  EXPECT_EQ(config.rotary_of(4).theta, 1e4);
  EXPECT_EQ(config.rotary_of(5).theta, 1e6);
  auto newer = without(without(without(without(gemma3_json(), "rope_theta"), "rope_local_base_freq"), "rope_scaling"),
                       "sliding_window_pattern");
  newer["rope_parameters"] = {{"full_attention", {{"rope_theta", 1e6}, {"rope_type", "default"}}},
                              {"sliding_attention", {{"rope_theta", 1e4}, {"rope_type", "default"}}}};
  std::vector<std::string> types(26, "sliding_attention");
  for (std::size_t layer = 5; layer < 26; layer += 6) types[layer] = "full_attention";
  newer["layer_types"] = types;
  EXPECT_EQ(read(newer).value(), config);
  auto const scaled = read(with(gemma3_json(), "rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}})).value();
  EXPECT_EQ(scaled.rotary_of(5).scaling, rope_scaling{linear_rope{8}});
  EXPECT_EQ(scaled.rotary_of(4).scaling, rope_scaling{});
  expect_refused(with(gemma3_json(), "use_bidirectional_attention", true), errc::unsupported, "'use_bidirectional_attention'");
  expect_refused(with(gemma3_json(), "hidden_activation", "relu"), errc::unsupported, "known: silu, gelu_pytorch_tanh");
}

TEST(config_json, gemma_3_with_a_vision_tower_is_described_by_its_text_part) {
  auto const config = read(json::parse(R"({"architectures": ["Gemma3ForConditionalGeneration"], "eos_token_id": [1, 106],
    "model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
      "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
    "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152}})"))
                          .value();
  EXPECT_TRUE(config.text_part);
  EXPECT_FALSE(config.vision);
  EXPECT_EQ(config.family, architecture::gemma3);
  EXPECT_EQ(std::vector({config.hidden, config.layers, config.heads, config.kv_heads, config.head_dim, config.vocabulary}),
            (std::vector<std::int64_t>{2560, 34, 8, 4, 256, 262208}));
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(config.window_of(0), 1024);
  EXPECT_EQ(config.end_tokens, (std::vector<std::int32_t>{1, 106}));
}

TEST(config_json, gemma_2_caps_scores_and_logits) {
  auto const config = read(gemma2_json()).value();
  EXPECT_EQ(config.attention_softcap, 50);
  EXPECT_EQ(config.logit_softcap, 30);
  EXPECT_EQ(config.window_of(0), 4096);
  EXPECT_EQ(config.window_of(1), 0);
  EXPECT_FALSE(config.qk_norm || config.local_rope);
  auto const plain = read(with(with(gemma2_json(), "attn_logit_softcapping", nullptr), "final_logit_softcapping", nullptr)).value();
  EXPECT_EQ(plain.attention_softcap + plain.logit_softcap, 0);
  expect_refused(with(gemma2_json(), "final_logit_softcapping", -1), errc::malformed, "'final_logit_softcapping'");
}

TEST(config_json, qwen2_5_vl_is_its_preset_flat_or_nested) {
  auto flat =
      json::parse(R"({"architectures": ["Qwen2_5_VLForConditionalGeneration"], "bos_token_id": 151643, "eos_token_id": 151645,
    "hidden_act": "silu", "hidden_size": 8192, "intermediate_size": 29568, "max_position_embeddings": 128000,
    "max_window_layers": 80, "model_type": "qwen2_5_vl", "num_attention_heads": 64, "num_hidden_layers": 80,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    "use_sliding_window": false, "vocab_size": 152064,
    "vision_config": {"depth": 32, "hidden_act": "silu", "hidden_size": 1280, "in_chans": 3, "intermediate_size": 3456,
      "num_heads": 16, "out_hidden_size": 8192, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}})");
  auto expected = preset_config("qwen2.5-vl-72b").value();
  expected.end_tokens = {151645};
  EXPECT_EQ(read(flat).value(), expected);
  json nested{{"text_config", json::object()}};
  for (auto const& [key, value] : flat.items())
    (key == "architectures" || key == "model_type" || key == "vision_config" ? nested : nested["text_config"])[key] = value;
  nested["vision_config"]["patch_size"] = {14, 14};
  EXPECT_EQ(read(nested).value(), expected);
  expect_refused(without(flat, "vision_config"), errc::malformed, "'vision_config' is missing");
  nested["vision_config"]["patch_size"] = {14, 16};
  expect_refused(nested, errc::malformed, "'vision_config.patch_size'");
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
  text.insert(1, "\"text_config\": {\"hidden_size\": 64},");
  folder.write("config.json", text);
  EXPECT_TRUE(read_model_config(folder.path()).has_value()) << "the inner key counts, and nothing is copied";
}

TEST(config_json, a_cut_file_never_crashes) {
  auto const text = llama31_json().dump(1);
  for (std::size_t length = 0; length < text.size(); ++length) {
    auto const document = parse_json(std::string_view(text).substr(0, length), "x");
    EXPECT_TRUE(document.has_error()) << length;
  }
}

TEST(config_json, mixtral_counts_its_experts) {
  EXPECT_EQ(read(mixtral_json()).value(), preset_config("mixtral-8x7b").value());
  auto newer = without(without(mixtral_json(), "rope_theta"), "torch_dtype");
  newer["rope_parameters"] = {{"rope_theta", 1000000.0}, {"rope_type", "default"}};
  newer["dtype"] = "bfloat16";
  newer["head_dim"] = nullptr;
  EXPECT_EQ(read(newer).value(), preset_config("mixtral-8x7b").value());
  auto renamed = without(mixtral_json(), "num_local_experts");
  renamed["num_experts"] = 4;
  EXPECT_EQ(read(renamed).value().experts, 4);
  auto const bare =
      read(without(without(without(mixtral_json(), "num_local_experts"), "num_experts_per_tok"), "rope_theta")).value();
  EXPECT_EQ(bare, preset_config("mixtral-8x7b").value()) << "the class's own defaults";
  EXPECT_EQ(read(with(mixtral_json(), "sliding_window", 4096)).value().window_of(31), 4096);
  EXPECT_EQ(read(without(mixtral_json(), "sliding_window")).value().sliding_window, 0);
}

TEST(config_json, senseless_experts_are_refused) {
  expect_refused(with(mixtral_json(), "num_experts_per_tok", 9), errc::malformed, "more than the 8 experts");
  expect_refused(with(mixtral_json(), "num_local_experts", 0), errc::malformed, "num_local_experts");
  expect_refused(with(mixtral_json(), "num_local_experts", 1e9), errc::malformed, "num_local_experts");
  expect_refused(with(mixtral_json(), "num_experts_per_tok", "two"), errc::malformed, "num_experts_per_tok");
}
