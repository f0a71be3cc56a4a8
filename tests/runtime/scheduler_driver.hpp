#pragma once
/// @file
/// A scheduler that drives the reference executor, and what a request gives without one.

#include <gpuplace/runtime/scheduler.hpp>
#include <gpuplace/testing/paged_executor.hpp>

#include <boost/asio/system_executor.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace gpuplace::runtime_tests {

using gpuplace::testing::paged_executor;

inline constexpr executor_limits roomy{.slots = 8, .kv_pages = 400, .page_tokens = 4, .step_tokens = 64, .context = 128};

inline paged_executor executor_of(executor_limits const& limits, token_id vocabulary = 1000) {
  return paged_executor(boost::asio::system_executor(), limits, vocabulary);
}

inline generation_request request_of(std::size_t index, std::size_t prompt, std::int64_t max_tokens) {
  generation_request r;
  r.index = index;
  for (std::size_t i = 0; i < prompt; ++i) r.prompt.push_back(static_cast<token_id>((index * 31 + i * 7) % 997));
  r.max_tokens = max_tokens;
  return r;
}

/// What a sample of a request gives when it has the executor to itself, one token a step: no scheduler takes part.
inline generation alone(generation_request const& request, executor_limits limits, token_id vocabulary, std::size_t sample = 0) {
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
                      random_stream(request.how, request.index, sample)});
    if (request.how.penalised()) b.rows[0].history = tokens, b.rows[0].prompt_tokens = g.prompt_tokens;
    if (static_cast<std::int64_t>(g.tokens.size()) < request.min_tokens) b.rows[0].forbidden = request.end_tokens;
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

  /// Every sample of a request has an entry of its own; gives that of the first.
  std::size_t submit(generation_request const& request) {
    auto const entry = asked.size();
    for (std::int64_t sample = 0; sample < request.n; ++sample) {
      auto const id =
          sample == 0 ? work.submit(request, now).value() : work.submit_sample(ids[entry], static_cast<std::size_t>(sample), now);
      by_index[id.index] = asked.size();
      ids.push_back(id);
      asked.push_back(request);
      samples.push_back(static_cast<std::size_t>(sample));
      streamed.emplace_back();
      told.emplace_back();
      ended.emplace_back();
    }
    return entry;
  }

  void collect() {
    work.drain_events([&](scheduler_event& e) {
      auto const i = by_index.at(e.id.index);
      ASSERT_EQ(ids[i], e.id);
      ASSERT_FALSE(ended[i]) << "an event after the end";
      streamed[i].insert(streamed[i].end(), e.tokens.begin(), e.tokens.end());
      told[i].insert(told[i].end(), e.logprobs.begin(), e.logprobs.end());
      if (e.end) ended[i] = std::move(*e.end);
    });
  }

  bool begin() {
    current = work.next_batch(now);
    if (current) flying.push_back(current);
    work.drain_released([&](slot_id slot) { executor.release(slot); });
    auto const forked = work.drain_forks([&](slot_fork const& f) -> result<void> {
      ++forks;
      GPUPLACE_CHECK(executor.fork(f.from, f.to, f.from_pages, f.to_pages));
      executor.truncate(f.to, f.length);
      return {};
    });
    EXPECT_TRUE(forked);
    if (current) {
      ++steps;
      std::set<page_id> held;
      for (auto const& row : current->rows) held.insert(row.pages.begin(), row.pages.end());
      EXPECT_LE(static_cast<std::int64_t>(held.size()), work.pages().size() - work.pages().free());
    }
    return current != nullptr;
  }
  void finish() {
    auto const outcome = executor.step(*flying.front());
    ASSERT_TRUE(outcome) << outcome.error();
    now += seconds{1};
    end_step(outcome);
  }
  void end_step(result<step_outcome> const& outcome) {
    flying.pop_front();
    work.complete(outcome, now);
    collect();
  }
  void run() {
    for (;;) {
      while (begin()) {
      }
      if (flying.empty()) return;
      finish();
    }
  }

  scheduler work;
  paged_executor executor;
  seconds now{0};
  int steps = 0;
  int forks = 0;
  batch const* current = nullptr;   ///< what begin() was given
  std::deque<batch const*> flying;  ///< begun, and not finished
  std::map<std::uint32_t, std::size_t> by_index;
  std::vector<sequence_id> ids;
  std::vector<generation_request> asked;
  std::vector<std::size_t> samples;
  std::vector<std::vector<token_id>> streamed;
  std::vector<std::vector<token_logprobs>> told;
  std::vector<std::optional<result<generation>>> ended;
};

}  // namespace gpuplace::runtime_tests
