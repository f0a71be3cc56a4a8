#include "scheduler_driver.hpp"

#include <random>

using namespace gpuplace;
using namespace gpuplace::runtime_tests;

TEST(scheduler, gives_one_request_what_it_asks_for) {
  driver d(roomy);
  d.submit(request_of(0, 10, 5));
  EXPECT_EQ(d.work.load().waiting, 1);
  EXPECT_EQ(d.work.load().queued_tokens, 10);
  d.run();
  auto const& g = d.ended[0]->value();
  EXPECT_EQ(g.tokens, alone(d.asked[0], roomy, 1000).tokens);
  EXPECT_EQ(g.reason, finish_reason::length);
  EXPECT_EQ(d.streamed[0], g.tokens);
  EXPECT_EQ(d.steps, 5);  // the whole prompt and the first token in one
  EXPECT_EQ(g.queued, seconds{0});
  EXPECT_EQ(g.first_token, seconds{1});
  EXPECT_EQ(g.total, seconds{5});
  EXPECT_EQ(d.work.load(), instance_load{});
}

TEST(scheduler, prefills_in_chunks_beside_decodes) {
  auto limits = roomy;
  limits.step_tokens = 8;
  driver d(limits);
  d.submit(request_of(0, 4, 20));
  ASSERT_TRUE(d.begin());
  d.finish();
  d.submit(request_of(1, 20, 2));
  for (auto const chunk : {7, 7, 6}) {
    ASSERT_TRUE(d.begin());
    ASSERT_EQ(d.current->rows.size(), 2U);
    EXPECT_EQ(d.current->rows[0].tokens.size(), 1U) << "a decode waits for no prefill";
    EXPECT_EQ(d.current->rows[1].tokens.size(), static_cast<std::size_t>(chunk));
    EXPECT_EQ(d.current->rows[1].samples, chunk == 6 ? 1 : 0);
    d.finish();
  }
  d.run();
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], limits, 1000).tokens);
}

TEST(scheduler, stops_at_end_tokens_and_at_the_context) {
  driver d(roomy);
  auto request = request_of(0, 10, 50);
  auto const all = alone(request, roomy, 1000).tokens;
  request.end_tokens = {-1, all[7]};
  d.submit(request);
  d.submit(request_of(1, 100, 1000));
  d.run();
  auto const first = static_cast<std::size_t>(std::find(all.begin(), all.end(), all[7]) - all.begin());
  EXPECT_EQ(d.ended[0]->value().tokens, std::vector<token_id>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first)));
  EXPECT_EQ(d.ended[0]->value().reason, finish_reason::stop);
  EXPECT_EQ(d.ended[1]->value().tokens.size(), 28U);
  EXPECT_EQ(d.ended[1]->value().reason, finish_reason::length);
}

TEST(scheduler, preempts_the_youngest_and_loses_nothing) {
  auto limits = roomy;
  limits.kv_pages = 12;
  driver d(limits);
  for (std::size_t i = 0; i < 3; ++i) d.submit(request_of(i, 8, 20));
  bool preempted = false;
  while (d.begin()) {
    for (auto const& row : d.current->rows) preempted = preempted || (row.start == 0 && row.tokens.size() > 8);
    d.finish();
  }
  EXPECT_TRUE(preempted);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], limits, 1000).tokens);
    EXPECT_EQ(d.streamed[i], d.ended[i]->value().tokens);
  }
  EXPECT_LE(d.ended[0]->value().total, d.ended[2]->value().total);
}

TEST(scheduler, refuses_what_can_never_run_and_names_the_numbers) {
  auto limits = roomy;
  limits.kv_pages = 10;
  scheduler s(limits);
  auto const refused = [&](generation_request r) { return s.submit(std::move(r), seconds{0}).error(); };
  EXPECT_NE(refused(request_of(3, 128, 1)).message().find("128"), std::string::npos);
  EXPECT_EQ(refused(request_of(3, 128, 1)).code, errc::does_not_fit);
  auto const pages = refused(request_of(4, 30, 20));
  EXPECT_NE(pages.what.find("need 13 KV pages of 4 tokens, the pool has 10"), std::string::npos) << pages;
  EXPECT_EQ(pages.where, "request 4");
  EXPECT_TRUE(s.submit(request_of(0, 30, 11), seconds{0}));  // 40 tokens stored, the 41st is only sampled
  EXPECT_EQ(refused(request_of(0, 0, 1)).code, errc::invalid_argument);
  EXPECT_EQ(refused(request_of(0, 1, 0)).code, errc::invalid_argument);
  auto bad = request_of(0, 1, 1);
  bad.prompt[0] = -5;
  EXPECT_EQ(refused(bad).code, errc::invalid_argument);
  bad = request_of(0, 1, 1);
  bad.how.top_p = 0;
  EXPECT_EQ(refused(bad).code, errc::invalid_argument);
  bad = request_of(0, 1, 1);
  bad.how.temperature = -1;
  EXPECT_EQ(refused(bad).code, errc::invalid_argument);
  bad = request_of(0, 1, 1);
  bad.adapter = "french";
  EXPECT_EQ(refused(bad).code, errc::unsupported);
}

TEST(scheduler, cancels_in_every_state) {
  auto limits = roomy;
  limits.slots = 1;
  driver d(limits);
  d.submit(request_of(0, 4, 20));
  d.submit(request_of(1, 4, 20));
  ASSERT_TRUE(d.begin());
  d.work.cancel(d.ids[0], d.now);  // takes part in the step
  d.collect();
  EXPECT_FALSE(d.ended[0]);
  d.work.cancel(d.ids[1], d.now);  // waits
  d.collect();
  EXPECT_EQ(d.ended[1]->value().reason, finish_reason::cancelled);
  d.finish();
  EXPECT_EQ(d.ended[0]->value().reason, finish_reason::cancelled);
  d.work.cancel(d.ids[0], d.now);  // has ended
  d.collect();
  EXPECT_FALSE(d.begin());
  EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
}

TEST(scheduler, a_place_is_used_again_only_after_its_end_was_heard) {
  driver d(roomy);
  d.submit(request_of(0, 4, 20));
  d.work.cancel(d.ids[0], d.now);
  d.submit(request_of(1, 4, 20));
  EXPECT_NE(d.ids[0].index, d.ids[1].index);
  d.collect();
  d.submit(request_of(2, 4, 20));
  EXPECT_EQ(d.ids[0].index, d.ids[2].index);
}

TEST(scheduler, a_failed_step_fails_its_requests_and_the_next_one_runs) {
  driver d(roomy);
  d.submit(request_of(0, 4, 3));
  ASSERT_TRUE(d.begin());
  d.end_step(error{errc::unavailable, "lost a message", "step", {}});
  EXPECT_EQ(d.ended[0]->error().what, "lost a message");
  d.submit(request_of(1, 4, 3));
  d.run();
  EXPECT_TRUE(*d.ended[1]);
  d.submit(request_of(2, 4, 3));
  ASSERT_TRUE(d.begin());
  d.end_step(step_outcome{});
  EXPECT_EQ(d.ended[2]->error().code, errc::mismatch);
}

TEST(scheduler, a_lost_device_ends_everything) {
  auto limits = roomy;
  limits.slots = 1;
  driver d(limits);
  d.submit(request_of(0, 4, 3));
  d.submit(request_of(1, 4, 3));
  ASSERT_TRUE(d.begin());
  d.end_step(error{errc::device_lost, "no answer", "cuda:1", {}});
  EXPECT_EQ(d.ended[0]->error().where, "cuda:1");
  EXPECT_EQ(d.ended[1]->error().code, errc::device_lost);
  EXPECT_FALSE(d.work.load().available);
  EXPECT_EQ(d.work.submit(request_of(2, 4, 3), d.now).error().code, errc::device_lost);
  EXPECT_FALSE(d.begin());
}

TEST(scheduler, shares_sequences_out_over_steps_in_flight) {
  auto limits = roomy;
  limits.steps = 2;
  driver d(limits);
  for (std::size_t i = 0; i < 8; ++i) d.submit(request_of(i, 4, 20));
  ASSERT_TRUE(d.begin());
  d.finish();  // all prompts at once
  for (int step = 0; step < 12; ++step) {
    while (d.begin()) EXPECT_EQ(d.current->rows.size(), 4U);
    EXPECT_EQ(d.flying.size(), 2U);
    d.finish();
  }
  d.run();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], limits, 1000).tokens);
}

TEST(scheduler, steps_beyond_the_micro_batches_are_left_to_prompts) {
  auto limits = roomy;
  limits.steps = 3;
  limits.micro_batches = 2;
  limits.step_tokens = 16;
  driver d(limits);
  for (std::size_t i = 0; i < 4; ++i) d.submit(request_of(i, 4, 20));
  ASSERT_TRUE(d.begin());
  d.finish();
  for (int part = 0; part < 2; ++part) {
    ASSERT_TRUE(d.begin());
    EXPECT_EQ(d.current->rows.size(), 2U);
  }
  EXPECT_FALSE(d.begin()) << "all four are on their way";
  d.submit(request_of(4, 40, 3));
  ASSERT_TRUE(d.begin());
  EXPECT_EQ(d.current->rows.size(), 1U);
  EXPECT_EQ(d.current->token_count(), 16);
  for (int step = 0; step < 12; ++step) {
    d.finish();
    while (d.begin()) {
    }
    std::size_t decoding = 0;
    for (auto const* b : d.flying) decoding += b->rows[0].tokens.size() == 1;
    EXPECT_LE(decoding, 2U);
  }
  d.run();
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], limits, 1000).tokens);
}

TEST(scheduler, a_prompt_beside_running_sequences_is_shared_out_over_the_micro_batches) {
  auto limits = roomy;
  limits.steps = 3;
  limits.micro_batches = 2;
  limits.step_tokens = 64;
  driver d(limits);
  for (std::size_t i = 0; i < 6; ++i) d.submit(request_of(i, 4, 40));
  ASSERT_TRUE(d.begin());
  d.finish();
  auto const run_a_prompt = [&](std::size_t i, std::int64_t length, std::vector<std::int64_t> const& parts) {
    d.submit(request_of(i, length, 3));
    for (auto const part : parts) {
      while (d.flying.size() >= 2) d.finish();
      ASSERT_TRUE(d.begin());
      auto const& rows = d.current->rows;
      EXPECT_EQ(d.current->token_count() - static_cast<std::int64_t>(rows.size()) + 1, part);
      EXPECT_GE(rows.size(), 4U) << "beside running sequences";
    }
  };
  run_a_prompt(6, 40, {20, 20});
  for (int step = 0; step < 12; ++step) {
    d.finish();
    while (d.begin()) {
    }
  }
  run_a_prompt(7, 9, {8, 1});
  d.run();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(d.ended[i]->value().tokens, alone(d.asked[i], limits, 1000).tokens);
}

TEST(scheduler, a_prompts_next_chunk_follows_while_one_is_under_way) {
  auto limits = roomy;
  limits.steps = 3;
  limits.step_tokens = 8;
  driver d(limits);
  d.submit(request_of(0, 30, 3));
  for (std::int64_t const start : {0, 8, 16}) {
    ASSERT_TRUE(d.begin());
    EXPECT_EQ(d.current->rows[0].start, start);
    EXPECT_EQ(d.current->rows[0].samples, 0);
  }
  EXPECT_FALSE(d.begin()) << "three steps at most";
  d.finish();
  ASSERT_TRUE(d.begin());
  EXPECT_EQ(d.current->rows[0].samples, 1);
  d.finish();
  d.finish();
  EXPECT_FALSE(d.begin()) << "its first token is not known yet";
  d.run();
  EXPECT_EQ(d.ended[0]->value().tokens, alone(d.asked[0], limits, 1000).tokens);
}

TEST(scheduler, a_cancelled_prompt_keeps_its_pages_until_its_last_step_has_ended) {
  auto limits = roomy;
  limits.steps = 2;
  limits.step_tokens = 8;
  driver d(limits);
  d.submit(request_of(0, 30, 3));
  ASSERT_TRUE(d.begin());
  ASSERT_TRUE(d.begin());
  d.work.cancel(d.ids[0], d.now);
  d.finish();
  EXPECT_EQ(d.ended[0]->value().reason, finish_reason::cancelled);
  EXPECT_LT(d.work.pages().free(), limits.kv_pages);
  d.finish();
  EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
  EXPECT_FALSE(d.begin());
}

TEST(scheduler, a_lost_device_ends_what_other_steps_hold_as_well) {
  auto limits = roomy;
  limits.steps = 2;
  driver d(limits);
  for (std::size_t i = 0; i < 4; ++i) d.submit(request_of(i, 4, 20));
  ASSERT_TRUE(d.begin());
  d.finish();
  while (d.begin()) {
  }
  ASSERT_EQ(d.flying.size(), 2U);
  error const gone{errc::device_lost, "no answer", "cuda:1", {}};
  d.end_step(gone);
  for (auto const& e : d.ended) EXPECT_EQ(e->error().code, errc::device_lost);
  d.end_step(gone);
  EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
}

TEST(scheduler, a_batch_can_be_withdrawn_while_another_runs) {
  auto limits = roomy;
  limits.steps = 2;
  driver d(limits);
  for (std::size_t i = 0; i < 2; ++i) d.submit(request_of(i, 4, 6));
  ASSERT_TRUE(d.begin());
  d.finish();
  ASSERT_TRUE(d.begin());
  ASSERT_TRUE(d.begin());
  d.work.withdraw({errc::unavailable, "no way", "fork", {}});
  d.flying.pop_back();
  d.collect();
  EXPECT_FALSE(d.ended[0]);
  EXPECT_EQ(d.ended[1]->error().what, "no way");
  d.run();
  EXPECT_EQ(d.ended[0]->value().tokens, alone(d.asked[0], limits, 1000).tokens);
  EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
}

/// Random requests, cancels and tiny pools: every sequence of tokens is the one the request gets alone.
TEST(scheduler, agrees_with_requests_run_alone) {
  int forks = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    auto const below = [&](unsigned n) { return static_cast<int>(random() % n); };
    executor_limits const limits{.slots = 1 + below(6),
                                 .kv_pages = 16 + below(30),
                                 .page_tokens = 1 + below(5),
                                 .step_tokens = 1 + below(24),
                                 .context = 16 + below(40),
                                 .steps = 1 + seed % 4,
                                 .micro_batches = seed % 3};
    token_id const vocabulary = 40;
    driver d(limits, vocabulary);
    std::set<std::size_t> cancelled;
    for (std::size_t submitted = 0; submitted < 30 || d.work.load().running + d.work.load().waiting > 0;) {
      for (auto n = below(4); n > 0 && submitted < 30; --n, ++submitted) {
        auto request = request_of(submitted, static_cast<std::size_t>(1 + below(14)), 1 + below(12));
        request.how = {.temperature = below(2) * 0.7, .presence_penalty = below(3) == 0 ? 0.5 : 0.0, .seed = seed};
        request.end_tokens = {static_cast<token_id>(below(40))};
        request.n = std::min<std::int64_t>(1 + below(3), limits.slots);
        request.min_tokens = std::min<std::int64_t>(below(4), request.max_tokens);
        if (check_request(request, limits)) d.submit(request);
      }
      while (d.begin() && below(5) > 0) {
      }
      if (!d.ids.empty() && below(10) == 0) {
        auto const i = static_cast<std::size_t>(below(static_cast<unsigned>(d.ids.size())));
        if (!d.ended[i]) cancelled.insert(i);
        d.work.cancel(d.ids[i], d.now);
        d.collect();
      }
      if (!d.flying.empty()) d.finish();
      ASSERT_LT(d.steps, 5000) << "no progress, seed " << seed;
    }
    d.run();
    EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
    forks += d.forks;
    for (std::size_t i = 0; i < d.asked.size(); ++i) {
      ASSERT_TRUE(d.ended[i]);
      auto const& g = d.ended[i]->value();
      auto const expected = alone(d.asked[i], limits, vocabulary, d.samples[i]);
      EXPECT_EQ(d.streamed[i], g.tokens);
      if (cancelled.contains(i) && g.reason == finish_reason::cancelled) {
        ASSERT_LE(g.tokens.size(), expected.tokens.size());
        EXPECT_TRUE(std::equal(g.tokens.begin(), g.tokens.end(), expected.tokens.begin())) << "seed " << seed << " request " << i;
      } else {
        EXPECT_EQ(g.tokens, expected.tokens) << "seed " << seed << " request " << i;
        EXPECT_EQ(g.reason, expected.reason) << "seed " << seed << " request " << i;
      }
    }
  }
  EXPECT_GT(forks, 100);
}
