#include "cli/run/prompts.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <sstream>
#include <unistd.h>

using namespace gpuplace;

namespace {
result<std::vector<cli::prompt_row>> read(std::string const& text) {
  std::istringstream in(text);
  auto const path = ::testing::TempDir() + "prompts_test." + std::to_string(::getpid());
  auto const spooled = cli::spool_prompts(in, "file", path);
  std::remove(path.c_str());
  std::remove((path + ".index").c_str());
  if (!spooled) return spooled.error();
  std::vector<cli::prompt_row> rows;
  for (std::size_t i = 0; i < spooled->count; ++i) rows.push_back(spooled->read(i).value());
  return rows;
}
}  // namespace

TEST(prompts, a_line_is_a_prompt) {
  auto const rows = read("one\n\n  two \r\n").value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].text, "two");
  EXPECT_TRUE(rows[1].messages.is_null());
}

TEST(prompts, jsonl_rows_carry_messages_and_options) {
  auto const rows = read(R"({"prompt": "a", "max_tokens": 5, "temperature": 1}
{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "seed": 7})")
                        .value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].max_tokens, 5);
  EXPECT_EQ(rows[0].temperature, 1.0);
  EXPECT_EQ(rows[1].text, "q");
  EXPECT_EQ(rows[1].messages.size(), 2U);
  EXPECT_EQ(rows[1].seed, 7U);
}

TEST(prompts, what_is_wrong_is_named_with_its_line) {
  EXPECT_EQ(read("\n \n").error().code, errc::invalid_argument);
  EXPECT_EQ(read("{\"prompt\": \"a\"}\n{oops\n").error().where, "file:2");
  for (auto const* row : {R"({"x": 1})", R"({"messages": []})", R"({"messages": [{"role": "user"}]})", R"({"prompt": 3})",
                          R"({"prompt": "a", "max_tokens": "many"})", R"({"prompt": "a", "max_tokens": 1.5})"})
    EXPECT_EQ(read(row).error().code, errc::malformed) << row;
  EXPECT_EQ(read(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})").error().code, errc::unsupported);
  EXPECT_EQ(cli::spool_prompts(std::string("/nonexistent"), ::testing::TempDir() + "none").error().code, errc::not_found);
}
