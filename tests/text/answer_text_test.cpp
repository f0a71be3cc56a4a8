#include <gpuplace/runtime/stop_at.hpp>
#include <gpuplace/text/answer_text.hpp>

#include "text_data.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace gpuplace;

namespace {

text::tokenizer smollm() { return text::tokenizer::read(text_data("smollm.tokenizer.json")).value(); }

}  // namespace

TEST(answer_text, is_cut_at_a_string_that_lies_across_tokens) {
  auto const tokens = smollm();
  std::string const whole = "The answer is 42.\n\nQuestion: and why? \u4f60\u597d";
  auto const ids = tokens.encode(whole);
  for (std::string const stop : {"\n\nQ", "42", "wer is", "?", "\u597d", "never there"})
    for (bool const include : {false, true}) {
      text::answer_text answer(tokens, {stop}, include);
      std::string told;
      for (auto const id : ids) told += answer.push(std::vector{id});
      told += answer.finish();
      auto const at = whole.find(stop);
      EXPECT_EQ(told, whole.substr(0, at == std::string::npos || !include ? at : at + stop.size())) << stop;
      EXPECT_EQ(answer.stopped(), at != std::string::npos);
    }
}

TEST(stop_at, ends_with_the_token_that_completes_the_string) {
  auto const tokens = smollm();
  auto const ids = tokens.encode("One two three. Four five.");
  auto const rule = stop_at(tokens, {"", "e. F"});
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->strings, std::vector<std::string>{"e. F"});
  for (int sample = 0; sample < 2; ++sample) {  // a watch each
    auto watch = rule->watch();
    std::vector<token_id> taken;
    for (auto const id : ids) {
      taken.push_back(id);
      if (watch(std::vector{id})) break;
    }
    EXPECT_LT(taken.size(), ids.size());
    EXPECT_NE(tokens.decode(taken).find("e. F"), std::string::npos);
    taken.pop_back();
    EXPECT_EQ(tokens.decode(taken).find("e. F"), std::string::npos);
  }
  EXPECT_FALSE(stop_at(tokens, {""}));
}
