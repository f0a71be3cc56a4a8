#include <gpuplace/text/tokenizer_config.hpp>

#include <gtest/gtest.h>

#include <fstream>

using namespace gpuplace;
using text::tokenizer_config;

TEST(tokenizer_config, reads_tokens_as_text_or_as_objects) {
  auto const c =
      tokenizer_config::parse(R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null, "add_bos_token": true,
                                             "chat_template": "hello"})")
          .value();
  EXPECT_EQ(c.bos_token(), "<s>");
  EXPECT_EQ(c.eos_token(), "</s>");
  EXPECT_FALSE(c.special_token("pad_token"));
  EXPECT_EQ(c.add_bos_token, true);
  EXPECT_FALSE(c.add_eos_token);
  EXPECT_EQ(c.chat_template, "hello");
}

TEST(tokenizer_config, takes_the_default_of_several_templates) {
  auto const c =
      tokenizer_config::parse(R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})")
          .value();
  EXPECT_EQ(c.chat_template, "d");
  EXPECT_EQ(c.named_templates.at("tool_use"), "t");
}

TEST(tokenizer_config, a_jinja_file_wins_and_an_empty_folder_is_fine) {
  auto const folder = std::filesystem::path(testing::TempDir()) / "tokenizer_config_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_FALSE(tokenizer_config::read(folder).value().chat_template);
  std::ofstream(folder / "tokenizer_config.json") << R"({"chat_template": "inside"})";
  EXPECT_EQ(tokenizer_config::read(folder).value().chat_template, "inside");
  std::ofstream(folder / "chat_template.jinja") << "beside";
  EXPECT_EQ(tokenizer_config::read(folder).value().chat_template, "beside");
  std::filesystem::remove_all(folder);
}

TEST(tokenizer_config, refuses_broken_files) {
  for (auto const* broken : {"", "[]", R"({"chat_template": 5})", R"({"chat_template": [{"template": "x"}]})"})
    EXPECT_EQ(tokenizer_config::parse(broken, "here").error().code, errc::malformed) << broken;
  EXPECT_EQ(tokenizer_config::read("/no/such/folder").error().code, errc::not_found);
}
