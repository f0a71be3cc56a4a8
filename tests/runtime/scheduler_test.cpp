#include <gpuplace/runtime/scheduler.hpp>
#include <gpuplace/testing/paged_executor.hpp>

#include <boost/asio/system_executor.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

using namespace gpuplace;
using gpuplace::testing::paged_executor;

namespace {

constexpr executor_limits roomy{.slots = 8, .kv_pages = 400, .page_tokens = 4, .step_tokens = 64, .context = 128};

paged_executor executor_of(executor_limits const& limits, token_id vocabulary = 1000) {
  return paged_executor(boost::asio::system_executor(), limits, vocabulary);
}

generation_request request_of(std::size_t index, std::size_t prompt, std::int64_t max_tokens) {
  generation_request r;
  r.index = index;
  for (std::size_t i = 0; i < prompt; ++i) r.prompt.push_back(static_cast<token_id>((index * 31 + i * 7) % 997));
  r.max_tokens = max_tokens;
  return r;
}

/// What a request gives when it has the executor to itself, one token a step: no scheduler takes part.
generation alone(generation_request const& request, executor_limits limits, token_id vocabulary) {
  limits.kv_pages = 1000;
  limits.step_tokens = 1000;
  auto executor = executor_of(limits, vocabulary);
  std::vector<page_id> pages(1000);
  for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<page_id>(i);
  auto tokens = request.prompt;
  std::int64_t held = 0;
  generation g;
  g.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  for (;;) {
    batch b;
    b.rows.push_back({0, held, std::span<token_id const>(tokens).subspan(static_cast<std::size_t>(held)), pages, 1, request.how,
                      random_stream(request.how, request.index)});
    auto const token = executor.step(b).value().tokens[0];
    held = static_cast<std::int64_t>(tokens.size());
    if (std::count(request.end_tokens.begin(), request.end_tokens.end(), token) > 0) {
      g.reason = finish_reason::stop;
      return g;
    }
    tokens.push_back(token);
    g.tokens.push_back(token);
    if (static_cast<std::int64_t>(g.tokens.size()) == request.max_tokens ||
        static_cast<std::int64_t>(tokens.size()) == limits.context)
      return g;
  }
}

/// A scheduler, its executor, and everything it said.
struct driver {
  explicit driver(executor_limits const& limits, token_id vocabulary = 1000)
      : work(limits), executor(executor_of(limits, vocabulary)) {}

  std::size_t submit(generation_request const& request) {
    auto const id = work.submit(request, now).value();
    by_index[id.index] = asked.size();
    ids.push_back(id);
    asked.push_back(request);
    streamed.emplace_back();
    ended.emplace_back();
    return asked.size() - 1;
  }

  void collect() {
    work.drain_events([&](scheduler_event& e) {
      auto const i = by_index.at(e.id.index);
      ASSERT_EQ(ids[i], e.id);
      ASSERT_FALSE(ended[i]) << "an event after the end";
      streamed[i].insert(streamed[i].end(), e.tokens.begin(), e.tokens.end());
      if (e.end) ended[i] = std::move(*e.end);
    });
  }

  bool begin() {
    current = work.next_batch(now);
    work.drain_released([&](slot_id slot) { executor.release(slot); });
    if (current) {
      ++steps;
      std::set<page_id> held;
      for (auto const& row : current->rows) held.insert(row.pages.begin(), row.pages.end());
      EXPECT_LE(static_cast<std::int64_t>(held.size()), work.pages().size() - work.pages().free());
    }
    return current != nullptr;
  }
  void finish() {
    auto const outcome = executor.step(*current);
    ASSERT_TRUE(outcome) << outcome.error();
    now += seconds{1};
    work.complete(outcome, now);
    collect();
  }
  void run() {
    while (begin()) finish();
  }

  scheduler work;
  paged_executor executor;
  seconds now{0};
  int steps = 0;
  batch const* current = nullptr;
  std::map<std::uint32_t, std::size_t> by_index;
  std::vector<sequence_id> ids;
  std::vector<generation_request> asked;
  std::vector<std::vector<token_id>> streamed;
  std::vector<std::optional<result<generation>>> ended;
};

}  // namespace

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
  d.work.complete(error{errc::unavailable, "lost a message", "step", {}}, d.now);
  d.collect();
  EXPECT_EQ(d.ended[0]->error().what, "lost a message");
  d.submit(request_of(1, 4, 3));
  d.run();
  EXPECT_TRUE(*d.ended[1]);
  d.submit(request_of(2, 4, 3));
  ASSERT_TRUE(d.begin());
  d.work.complete(step_outcome{}, d.now);
  d.collect();
  EXPECT_EQ(d.ended[2]->error().code, errc::mismatch);
}

TEST(scheduler, a_lost_device_ends_everything) {
  auto limits = roomy;
  limits.slots = 1;
  driver d(limits);
  d.submit(request_of(0, 4, 3));
  d.submit(request_of(1, 4, 3));
  ASSERT_TRUE(d.begin());
  d.work.complete(error{errc::device_lost, "no answer", "cuda:1", {}}, d.now);
  d.collect();
  EXPECT_EQ(d.ended[0]->error().where, "cuda:1");
  EXPECT_EQ(d.ended[1]->error().code, errc::device_lost);
  EXPECT_FALSE(d.work.load().available);
  EXPECT_EQ(d.work.submit(request_of(2, 4, 3), d.now).error().code, errc::device_lost);
  EXPECT_FALSE(d.begin());
}

/// Random requests, cancels and tiny pools: every sequence of tokens is the one the request gets alone.
TEST(scheduler, agrees_with_requests_run_alone) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    auto const below = [&](unsigned n) { return static_cast<int>(random() % n); };
    executor_limits const limits{.slots = 1 + below(6),
                                 .kv_pages = 16 + below(30),
                                 .page_tokens = 1 + below(5),
                                 .step_tokens = 1 + below(24),
                                 .context = 16 + below(40)};
    token_id const vocabulary = 40;
    driver d(limits, vocabulary);
    std::set<std::size_t> cancelled;
    for (std::size_t submitted = 0; submitted < 30 || d.work.load().running + d.work.load().waiting > 0;) {
      for (auto n = below(4); n > 0 && submitted < 30; --n, ++submitted) {
        auto request = request_of(submitted, static_cast<std::size_t>(1 + below(14)), 1 + below(12));
        request.how = {.temperature = below(2) * 0.7, .seed = seed};
        request.end_tokens = {static_cast<token_id>(below(40))};
        if (check_request(request, limits)) d.submit(request);
      }
      bool const running = d.begin();
      if (!d.ids.empty() && below(10) == 0) {
        auto const i = static_cast<std::size_t>(below(static_cast<unsigned>(d.ids.size())));
        if (!d.ended[i]) cancelled.insert(i);
        d.work.cancel(d.ids[i], d.now);
        d.collect();
      }
      if (running) d.finish();
      ASSERT_LT(d.steps, 5000) << "no progress, seed " << seed;
    }
    EXPECT_EQ(d.work.pages().free(), limits.kv_pages);
    for (std::size_t i = 0; i < d.asked.size(); ++i) {
      ASSERT_TRUE(d.ended[i]);
      auto const& g = d.ended[i]->value();
      auto const expected = alone(d.asked[i], limits, vocabulary);
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
}
