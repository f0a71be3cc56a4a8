#include "sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

constexpr float none = -std::numeric_limits<float>::infinity();

TEST(sampler, greedy_takes_the_first_of_the_largest) {
  EXPECT_EQ(sample_token(std::vector<float>{1, 3, 2, 3}, {}, 0, 0), 1);
  EXPECT_EQ(sample_token(std::vector<float>{none, none, 0}, {}, 0, 0), 2);
}

TEST(sampler, refuses_logits_that_are_not_numbers) {
  for (auto const& how : {sampling{}, sampling{.temperature = 1}}) {
    EXPECT_FALSE(sample_token(std::vector<float>{1, std::nanf(""), 9}, how, 0, 0));
    EXPECT_FALSE(sample_token(std::vector<float>{none, none}, how, 0, 0));
    EXPECT_FALSE(sample_token(std::vector<float>{}, how, 0, 0));
  }
}

TEST(sampler, draws_with_the_probabilities_of_the_softmax) {
  std::vector<float> const logits{0, 1, 2, -1};
  std::vector<double> seen(4), expected(4);
  double total = 0;
  for (std::size_t i = 0; i < 4; ++i) total += expected[i] = std::exp(double{logits[i]} / 0.7);
  int const draws = 20000;
  for (int i = 0; i < draws; ++i) seen[static_cast<std::size_t>(*sample_token(logits, {.temperature = 0.7}, 17, i))] += 1.0 / draws;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(seen[i], expected[i] / total, 0.02);
}

std::set<token_id> drawn(sampling const& how) {
  std::set<token_id> tokens;
  for (int i = 0; i < 2000; ++i) tokens.insert(*sample_token(std::vector<float>{1, 4, 3, 2, 0}, how, 5, i));
  return tokens;
}

TEST(sampler, top_k_and_top_p_keep_the_most_likely) {
  EXPECT_EQ(drawn({.temperature = 2, .top_k = 2}), (std::set<token_id>{1, 2}));
  EXPECT_EQ(drawn({.temperature = 1, .top_p = 0.8}), (std::set<token_id>{1, 2}));   // 0.64 + 0.23
  EXPECT_EQ(drawn({.temperature = 1, .top_p = 0.6}), (std::set<token_id>{1}));
  EXPECT_EQ(drawn({.temperature = 1, .top_p = 0}), (std::set<token_id>{1}));
  EXPECT_EQ(drawn({.temperature = 3, .top_k = 99}).size(), 5U);
}

TEST(sampler, a_draw_depends_on_stream_and_position_alone) {
  std::vector<float> logits(500);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 7);
  sampling const how{.temperature = 1.5, .top_p = 0.95};
  EXPECT_EQ(sample_token(logits, how, 3, 8), sample_token(logits, how, 3, 8));
  int changed = 0;
  for (int i = 0; i < 20; ++i) changed += sample_token(logits, how, 3, i) != sample_token(logits, how, 4, i);
  EXPECT_GT(changed, 10);
}

}  // namespace
}  // namespace gpuplace::torch_detail
