#include <gtest/gtest.h>

#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/presets.hpp>
#include <set>
#include <string>
#include <variant>

using namespace gpuplace;

TEST(fingerprint, is_fnv1a) {
  EXPECT_EQ(fnv1a().hex(), "cbf29ce484222325");
  EXPECT_NE(fnv1a().add("ab").add("c").hex(), fnv1a().add("a").add("bc").hex());
  EXPECT_NE(fnv1a().add(std::int64_t{1}).hex(), fnv1a().add(std::int64_t{256}).hex());
}

TEST(fingerprint, is_the_same_on_every_machine) {
  EXPECT_EQ(config_fingerprint(preset_config("smollm2-135m").value()), "96d8d16c3e6dbf55");
}

TEST(fingerprint, differs_between_models) {
  std::set<std::string> seen;
  for (auto const& name : preset_names()) EXPECT_TRUE(seen.insert(config_fingerprint(preset_config(name).value())).second) << name;
}

TEST(fingerprint, changes_with_what_decides_shapes_and_arithmetic) {
  auto const base = preset_config("llama-3.1-8b").value();
  auto const changed = [&](auto change) {
    auto config = base;
    change(config);
    return config_fingerprint(config) != config_fingerprint(base);
  };
  EXPECT_TRUE(changed([](model_config& c) { c.layers = 31; }));
  EXPECT_TRUE(changed([](model_config& c) { c.tied_embeddings = true; }));
  EXPECT_TRUE(changed([](model_config& c) { c.rope.theta = 1; }));
  EXPECT_TRUE(changed([](model_config& c) { c.rope.scaling = {}; }));
  EXPECT_TRUE(changed([](model_config& c) { std::get<llama3_rope>(c.rope.scaling).factor = 32; }));
  EXPECT_TRUE(changed([](model_config& c) { c.rope.scaling = linear_rope{8}; }));
  EXPECT_TRUE(changed([](model_config& c) { c.rope.scaling = yarn_rope{}; }));
  EXPECT_TRUE(changed([](model_config& c) { c.local_rope = c.rope; }));
  EXPECT_TRUE(changed([](model_config& c) { c.logit_softcap = 30; }));
  EXPECT_TRUE(changed([](model_config& c) { c.offset_norms = true; }));
  EXPECT_TRUE(changed([](model_config& c) { c.gate = activation::gelu_tanh; }));
  EXPECT_FALSE(changed([](model_config& c) { c.max_positions = 1; }));
  EXPECT_FALSE(changed([](model_config& c) { c.type = dtype::fp32; }));
  EXPECT_FALSE(changed([](model_config& c) { c.end_tokens = {5}; }));
}

TEST(fingerprint, sees_which_layers_slide) {
  auto sliding = preset_config("gemma-3-1b").value();
  auto const before = config_fingerprint(sliding);
  sliding.sliding_layers[5] = true;
  EXPECT_NE(config_fingerprint(sliding), before);
}

TEST(fingerprint, weights_count_where_both_know_them) {
  EXPECT_TRUE(same_model("aa", "aa"));
  EXPECT_TRUE(same_model("aa", "aa-bb"));
  EXPECT_TRUE(same_model("aa-bb", "aa-bb"));
  EXPECT_FALSE(same_model("aa-bb", "aa-cc"));
  EXPECT_FALSE(same_model("aa", "ab-bb"));
  EXPECT_FALSE(same_model("a", "aa"));
}
