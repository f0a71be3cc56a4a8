#include "scheduler_driver.hpp"

#include <memory>

using namespace gpuplace;
using namespace gpuplace::runtime_tests;

namespace {

generation_request several(std::int64_t n, std::size_t prompt, std::int64_t max_tokens) {
  auto request = request_of(0, prompt, max_tokens);
  request.n = n;
  request.how = {.temperature = 1, .seed = 5};
  return request;
}

/// Ends once the sum of the tokens reaches `most`.
std::shared_ptr<stop_rule const> sum_reaches(std::int64_t most) {
  return std::make_shared<stop_rule const>(stop_rule{{}, [most] {
                                                       return
                                                           [most, sum = std::int64_t{0}](std::span<token_id const> fresh) mutable {
                                                             for (auto const t : fresh) sum += t;
                                                             return sum >= most;
                                                           };
                                                     }});
}

}  // namespace

TEST(samples, share_the_prompts_pages_and_compute_it_once) {
  driver d(roomy);
  d.submit(several(4, 22, 6));
  ASSERT_TRUE(d.begin());
  EXPECT_EQ(d.current->token_count(), 22) << "one of them computes the prompt";
  d.finish();
  ASSERT_TRUE(d.begin());
  EXPECT_EQ(d.forks, 3);
  EXPECT_EQ(d.current->token_count(), 4);
  EXPECT_EQ(d.work.pages().size() - d.work.pages().free(), 5 + 4) << "five whole pages together, one of its own each";
  d.finish();
  d.run();
  std::set<std::vector<token_id>> distinct;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], roomy, 1000, i).tokens);
    distinct.insert(d.ended[i]->value().tokens);
  }
  EXPECT_EQ(distinct.size(), 4U);
  EXPECT_EQ(d.work.pages().free(), roomy.kv_pages);
}

TEST(samples, of_a_prompt_of_one_token_and_of_whole_pages) {
  for (std::size_t const prompt : {1, 4, 5, 8, 9}) {
    driver d(roomy);
    d.submit(several(3, prompt, 7));
    d.run();
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], roomy, 1000, i).tokens) << prompt;
    EXPECT_EQ(d.work.pages().free(), roomy.kv_pages);
  }
}

TEST(samples, start_by_themselves_once_the_first_is_gone) {
  auto limits = roomy;
  limits.slots = 2;
  driver d(limits);
  d.submit(request_of(7, 4, 40));
  auto request = several(2, 12, 3);
  d.submit(request);
  d.run();
  EXPECT_EQ(d.forks, 0) << "there was a slot for one of them at a time";
  for (std::size_t i = 1; i < 3; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(request, limits, 1000, i - 1).tokens);
}

TEST(samples, a_fork_that_fails_fails_its_step_alone) {
  scheduler s(roomy);
  auto const first = s.submit(several(2, 9, 4), seconds{0}).value();
  s.submit_sample(first, 1, seconds{0});
  auto const step = [&](batch const* work) {
    step_outcome outcome;
    outcome.tokens.resize(work->rows.size(), 3);
    s.complete(outcome, seconds{0});
  };
  step(s.next_batch(seconds{0}));
  ASSERT_NE(s.next_batch(seconds{0}), nullptr);
  auto const failed =
      s.drain_forks([](slot_fork const&) -> result<void> { return error{errc::does_not_fit, "no room", "fork", {}}; });
  ASSERT_FALSE(failed);
  s.complete(failed.error(), seconds{0});
  int ends = 0;
  s.drain_events([&](scheduler_event const& e) { ends += e.end && !*e.end; });
  EXPECT_EQ(ends, 2);
  EXPECT_EQ(s.next_batch(seconds{0}), nullptr);
  EXPECT_EQ(s.pages().free(), roomy.kv_pages);
}

TEST(stop_rule, ends_with_the_token_that_completes_it) {
  driver d(roomy);
  auto request = several(2, 5, 40);
  auto const full = alone(request, roomy, 1000, 0).tokens;
  request.stop = sum_reaches(4000);
  d.submit(request);
  d.run();
  std::vector<token_id> expected;
  for (std::int64_t sum = 0; sum < 4000;) sum += full[expected.size()], expected.push_back(full[expected.size()]);
  EXPECT_EQ(d.ended[0]->value().tokens, expected);
  EXPECT_EQ(d.streamed[0], expected);
  EXPECT_EQ(d.ended[0]->value().reason, finish_reason::stop);
  EXPECT_NE(d.ended[1]->value().tokens, expected) << "each sample is watched by itself";
  EXPECT_EQ(d.work.pages().free(), roomy.kv_pages);
}

TEST(min_tokens, no_end_token_comes_before) {
  auto request = request_of(0, 5, 30);
  auto const full = alone(request, roomy, 20).tokens;
  request.end_tokens = {full[0], full[1]};
  request.min_tokens = 12;
  driver d(roomy, 20);
  d.submit(request);
  d.run();
  auto const& got = d.ended[0]->value();
  EXPECT_EQ(got.tokens, alone(request, roomy, 20).tokens);
  EXPECT_GE(got.tokens.size(), 12U);
  EXPECT_EQ(got.reason, finish_reason::stop);
  for (std::size_t i = 0; i < 12; ++i)
    EXPECT_EQ(std::count(request.end_tokens.begin(), request.end_tokens.end(), got.tokens[i]), 0);
}

TEST(logprobs, come_beside_the_tokens_of_who_asks) {
  driver d(roomy);
  auto request = request_of(0, 5, 6);
  request.logprobs = 2;
  d.submit(request);
  d.submit(request_of(1, 5, 6));
  d.run();
  auto const& asked = d.ended[0]->value();
  ASSERT_EQ(asked.logprobs.size(), 6U);
  EXPECT_EQ(d.told[0], asked.logprobs);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(asked.logprobs[i].chosen.token, asked.tokens[i]);
    EXPECT_EQ(asked.logprobs[i].top.size(), 2U);
  }
  EXPECT_TRUE(d.ended[1]->value().logprobs.empty());
  EXPECT_TRUE(d.told[1].empty());
}

TEST(time_limit, ends_who_runs_and_who_waits) {
  auto limits = roomy;
  limits.slots = 1;
  driver d(limits);
  auto hurried = request_of(0, 5, 100), patient = request_of(2, 5, 4), waits = request_of(1, 5, 4);
  hurried.time_limit = seconds{10};  // a step takes a second here
  waits.time_limit = seconds{4};
  d.submit(hurried);
  d.submit(waits);
  d.submit(patient);
  d.run();
  EXPECT_EQ(d.ended[0]->error().code, errc::timed_out);
  EXPECT_EQ(d.streamed[0].size(), 10U);
  EXPECT_NE(d.ended[0]->error().what.find("10 of 100 tokens"), std::string::npos) << d.ended[0]->error();
  EXPECT_EQ(d.ended[1]->error().code, errc::timed_out);
  EXPECT_TRUE(d.streamed[1].empty());
  EXPECT_EQ(d.ended[2]->value().tokens, alone(patient, limits, 1000).tokens);
  EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
}
