#include <gtest/gtest.h>

#include <gpuplace/model/presets.hpp>
#include <gpuplace/model/tensors.hpp>
#include <string>

using namespace gpuplace;

struct published {
  char const* name;
  std::int64_t parameters;  ///< as the model's page counts the tensors of its safetensors files
  std::int64_t layers;
  bool tied;
};

class preset_counts : public testing::TestWithParam<published> {};

TEST_P(preset_counts, equal_the_published_ones) {
  auto const config = preset_config(GetParam().name).value();
  EXPECT_EQ(parameter_count(config), GetParam().parameters);
  EXPECT_EQ(config.layers, GetParam().layers);
  EXPECT_EQ(config.tied_embeddings, GetParam().tied);
}

INSTANTIATE_TEST_SUITE_P(
    all, preset_counts,
    testing::Values(published{"qwen2.5-1.5b", 1'543'714'304, 28, true}, published{"qwen2.5-3b", 3'085'938'688, 36, true},
                    published{"qwen2.5-7b", 7'615'616'512, 28, false}, published{"qwen2.5-14b", 14'770'033'664, 48, false},
                    published{"qwen2.5-32b", 32'763'876'352, 64, false}, published{"qwen2.5-72b", 72'706'203'648, 80, false},
                    published{"qwen2.5-vl-72b", 73'410'777'344, 80, false}, published{"qwen3-1.7b", 1'720'574'976, 28, true},
                    published{"qwen3-8b", 8'190'735'360, 36, false}, published{"llama-3.1-8b", 8'030'261'248, 32, false},
                    published{"llama-3.1-70b", 70'553'706'496, 80, false}, published{"mistral-7b", 7'248'023'552, 32, false},
                    published{"mixtral-8x7b", 46'702'792'704, 32, false}, published{"mixtral-8x22b", 140'620'634'112, 56, false},
                    published{"gemma-3-1b", 999'885'952, 26, true}, published{"smollm2-135m", 134'515'008, 30, true}));

TEST(presets, a_published_tied_head_may_be_counted_twice) {
  auto config = preset_config("qwen3-1.7b").value();
  config.tied_embeddings = false;
  EXPECT_EQ(parameter_count(config), 2'031'739'904) << "Qwen3-1.7B's files hold the head beside the embedding";
}

TEST(presets, every_name_is_listed_and_known) {
  EXPECT_EQ(preset_names().size(), 16u);
  for (auto const& name : preset_names()) EXPECT_TRUE(preset_config(name).has_value()) << name;
}

TEST(presets, an_unknown_name_gets_the_list) {
  auto const e = preset_config("qwen9-1b").error();
  EXPECT_EQ(e.code, errc::not_found);
  for (auto const& name : preset_names()) EXPECT_NE(e.remedy.find(name), std::string::npos) << name;
}
