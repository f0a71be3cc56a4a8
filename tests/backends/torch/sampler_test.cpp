#include "../../../src/cuda/kernels/sampling_math.hpp"
#include "sampler.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

constexpr float none = -std::numeric_limits<float>::infinity();

sample_request ask(sampling const& how, std::uint64_t stream = 5, std::int64_t position = 0) { return {how, stream, position}; }

TEST(sampler, greedy_takes_the_first_of_the_largest) {
  EXPECT_EQ(sample_token(std::vector<float>{1, 3, 2, 3}, {}), 1);
  EXPECT_EQ(sample_token(std::vector<float>{none, none, 0}, {}), 2);
}

TEST(sampler, refuses_logits_that_are_not_numbers) {
  std::vector<token_id> const first{0};
  for (auto const& how : {sampling{}, sampling{.temperature = 1}, sampling{.repetition_penalty = 2}}) {
    auto request = ask(how);
    request.history = first;
    EXPECT_FALSE(sample_token(std::vector<float>{1, std::nanf(""), 9}, request));
    EXPECT_FALSE(sample_token(std::vector<float>{none, none}, request));
    EXPECT_FALSE(sample_token(std::vector<float>{}, request));
  }
}

TEST(sampler, draws_with_the_probabilities_of_the_softmax) {
  std::vector<float> const logits{0, 1, 2, -1};
  std::vector<double> seen(4), expected(4);
  double total = 0;
  for (std::size_t i = 0; i < 4; ++i) total += expected[i] = std::exp(double{logits[i]} / 0.7);
  int const draws = 20000;
  for (int i = 0; i < draws; ++i)
    seen[static_cast<std::size_t>(*sample_token(logits, ask({.temperature = 0.7}, 17, i)))] += 1.0 / draws;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(seen[i], expected[i] / total, 0.02);
}

std::set<token_id> drawn(sampling const& how) {
  std::set<token_id> tokens;
  for (int i = 0; i < 2000; ++i) tokens.insert(*sample_token(std::vector<float>{1, 4, 3, 2, 0}, ask(how, 5, i)));
  return tokens;
}

TEST(sampler, filters_keep_the_most_likely) {
  EXPECT_EQ(drawn({.temperature = 2, .top_k = 2}), (std::set<token_id>{1, 2}));
  EXPECT_EQ(drawn({.temperature = 1, .top_p = 0.8}), (std::set<token_id>{1, 2}));  // 0.64 + 0.23
  EXPECT_EQ(drawn({.temperature = 1, .top_p = 0.6}), (std::set<token_id>{1}));
  EXPECT_EQ(drawn({.temperature = 1, .min_p = 0.2}), (std::set<token_id>{1, 2}));  // beside the likeliest: 0.37, then 0.14
  EXPECT_EQ(drawn({.temperature = 1, .min_p = 1}), (std::set<token_id>{1}));
  EXPECT_EQ(drawn({.temperature = 3, .top_k = 99}).size(), 5U);
}

TEST(sampler, a_draw_depends_on_stream_and_position_alone) {
  std::vector<float> logits(500);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 7);
  sampling const how{.temperature = 1.5, .top_p = 0.95};
  EXPECT_EQ(sample_token(logits, ask(how, 3, 8)), sample_token(logits, ask(how, 3, 8)));
  int changed = 0;
  for (int i = 0; i < 20; ++i) changed += sample_token(logits, ask(how, 3, i)) != sample_token(logits, ask(how, 4, i));
  EXPECT_GT(changed, 10);
}

/// Kept tokens and their probabilities, and log-probabilities, as transformers' logits processors have them.
TEST(sampler, keeps_what_transformers_keeps) {
  std::ifstream in(GPUPLACE_TEST_DATA "/sampler.json");
  auto const cases = nlohmann::json::parse(in);
  ASSERT_GT(cases.size(), 40U);
  for (auto const& c : cases) {
    auto const logits = c["logits"].get<std::vector<float>>();
    auto const history = c["history"].get<std::vector<token_id>>(), forbidden = c["forbidden"].get<std::vector<token_id>>();
    sample_request request;
    request.how = {.temperature = c["temperature"], .top_p = c["top_p"], .top_k = c["top_k"], .min_p = c["min_p"]};
    request.how.repetition_penalty = c["repetition_penalty"];
    request.history = history;
    request.prompt_tokens = 5;
    request.forbidden = forbidden;
    std::map<token_id, double> kept;
    double mass = 0;
    for (auto const& one : candidates_of(logits, request)) mass += kept[one.token] = static_cast<double>(one.weight);
    auto const expected = c["kept"].get<std::map<std::string, double>>();
    auto const settings = "temperature " + c["temperature"].dump() + " top_k " + c["top_k"].dump() + " top_p " + c["top_p"].dump() +
                          " min_p " + c["min_p"].dump() + " repetition " + c["repetition_penalty"].dump();
    ASSERT_EQ(kept.size(), expected.size()) << settings;
    for (auto const& [token, probability] : expected) EXPECT_NEAR(kept[std::stoi(token)] / mass, probability, 1e-5) << settings;
    auto const told = logprobs_of(logits, 4, 20);
    EXPECT_NEAR(told.chosen.logprob, c["logprobs"][4].get<double>(), 1e-5);
    ASSERT_EQ(told.top.size(), 20U);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_NEAR(told.top[i].logprob, c["logprobs"][static_cast<std::size_t>(told.top[i].token)].get<double>(), 1e-5);
      if (i > 0) {
        EXPECT_LE(told.top[i].logprob, told.top[i - 1].logprob);
      }
    }
  }
}

TEST(sampler, additive_penalties_count_the_answer_alone) {
  std::vector<float> const logits{2, 2, 2, 2};
  std::vector<token_id> const history{0, 1, 2, 2, 1, 2};  // the first two are the prompt
  sample_request request;
  request.how = {.temperature = 1, .frequency_penalty = 0.5, .presence_penalty = 0.25};
  request.history = history;
  request.prompt_tokens = 2;
  for (int round = 0; round < 2; ++round) {  // what a call leaves behind changes no other
    std::map<token_id, double> weights;
    for (auto const& one : candidates_of(logits, request))
      weights[one.token] = static_cast<double>(one.weight) / static_cast<double>(cuda::full_weight);
    EXPECT_NEAR(weights[0], 1, 1e-6);
    EXPECT_NEAR(weights[1], std::exp(-0.75), 1e-6);
    EXPECT_NEAR(weights[2], std::exp(-1.75), 1e-6);
    EXPECT_NEAR(weights[3], 1, 1e-6);
  }
  request.how.temperature = 0;
  EXPECT_EQ(sample_token(std::vector<float>{0, 1.5F, 3, 1.6F}, request), 3) << "greedy takes the likeliest after penalties";
}

TEST(sampler, forbidden_tokens_do_not_come) {
  std::vector<token_id> const best{1, 3, 99};
  auto request = ask({});
  request.forbidden = best;
  EXPECT_EQ(sample_token(std::vector<float>{1, 5, 2, 4}, request), 2);
  request.how.temperature = 1;
  for (std::int64_t i = 0; i < 200; ++i) {
    request.position = i;
    auto const token = *sample_token(std::vector<float>{1, 5, 2, 4}, request);
    EXPECT_TRUE(token == 0 || token == 2);
  }
}

TEST(logprobs, smaller_ids_come_first_among_equals) {
  auto const told = logprobs_of(std::vector<float>{1, 3, 0, 3, 1}, 2, 3);
  EXPECT_EQ(told.chosen.token, 2);
  ASSERT_EQ(told.top.size(), 3U);
  EXPECT_EQ(told.top[0].token, 1);
  EXPECT_EQ(told.top[1].token, 3);
  EXPECT_EQ(told.top[2].token, 0);
  EXPECT_EQ(logprobs_of(std::vector<float>{1, 2}, 0, 5).top.size(), 2U);
  EXPECT_TRUE(logprobs_of(std::vector<float>{1, 2}, 0, 0).top.empty());
}

}  // namespace
}  // namespace gpuplace::torch_detail
