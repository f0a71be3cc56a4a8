#pragma once
/// @file
/// Contract tests of step executors: a sequence's tokens depend on the sequence alone.

#include <gpuplace/runtime/kv_pages.hpp>
#include <gpuplace/runtime/random_stream.hpp>
#include <gpuplace/testing/contract.hpp>
#include <gpuplace/testing/step_driver.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// What the contract runs with. The tests ask for 4 slots, `prompt + answer + 8` tokens of context, 4 times the pages for
/// these, and steps of `4 * prompt` tokens.
struct executor_contract_settings {
  token_id vocabulary = 256;  ///< prompts are made of tokens below it
  std::size_t prompt = 21;
  std::size_t answer = 12;
};

namespace detail {

/// One sequence of the tests: its tokens, its place, and what it holds in the cache.
struct contract_sequence {
  slot_id slot = 0;
  std::vector<page_id> pages;
  std::vector<token_id> tokens;
  std::int64_t held = 0;
  sampling how;
  std::uint64_t stream = 0;
  std::size_t prompt = 0;
  std::vector<token_id> forbidden;
  std::int32_t logprobs = -1;

  batch_row row(std::size_t count, std::int32_t samples) const {
    auto const end = static_cast<std::size_t>(held) + count;
    batch_row made{slot, held, std::span(tokens).subspan(static_cast<std::size_t>(held), count), pages, samples, how, stream};
    if (how.penalised()) made.history = std::span(tokens).first(end), made.prompt_tokens = static_cast<std::int64_t>(prompt);
    made.forbidden = forbidden;
    made.logprobs = logprobs;
    return made;
  }
  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(held); }
};

template <step_executor E, class Wait>
class executor_contract {
public:
  executor_contract(E& executor, Wait wait, executor_contract_settings const& settings)
      : driver_(executor, std::move(wait)), settings_(settings), limits_(executor.limits()) {}

  result<void> run() {
    GPUPLACE_CHECK(roomy());
    sampling const penalised{
        .temperature = 0.9, .min_p = 0.02, .repetition_penalty = 1.3, .frequency_penalty = 0.4, .presence_penalty = 0.2, .seed = 4};
    for (auto const& how : {sampling{}, sampling{.temperature = 0.8, .top_p = 0.9, .top_k = 40, .seed = 3}, penalised}) {
      how_ = how;
      GPUPLACE_CHECK(repeats());
      GPUPLACE_CHECK(chunks());
      GPUPLACE_CHECK(batches());
      GPUPLACE_CHECK(verifies());
      GPUPLACE_CHECK(truncates());
      GPUPLACE_CHECK(forks());
      GPUPLACE_CHECK(shares());
      GPUPLACE_CHECK(forbids());
      GPUPLACE_CHECK(tells());
      GPUPLACE_CHECK(reuses());
    }
    if (!driver_.handlers_are_posted)
      return fault("handler", "a step's handler ran within async_step", "post it to the step context");
    if (!driver_.handlers_run_once) return fault("handler", "a step's handler ran more than once");
    return {};
  }

private:
  static error fault(std::string clause, std::string what, std::string remedy = {}) {
    return broken("executor contract, " + clause, std::move(what), std::move(remedy));
  }
  std::int64_t pages_each() const {
    return pages_for(static_cast<std::int64_t>(settings_.prompt + settings_.answer + 8), limits_.page_tokens);
  }

  result<void> roomy() const {
    auto const need = [](char const* what, std::int64_t has, std::int64_t needed) -> result<void> {
      if (has >= needed) return {};
      return fault("limits",
                   std::string(what) + " is " + std::to_string(has) + ", the contract runs with " + std::to_string(needed));
    };
    GPUPLACE_CHECK(need("page_tokens", limits_.page_tokens, 1));
    GPUPLACE_CHECK(need("slots", limits_.slots, 4));
    GPUPLACE_CHECK(need("kv_pages", limits_.kv_pages, 4 * pages_each()));
    GPUPLACE_CHECK(need("step_tokens", limits_.step_tokens, static_cast<std::int64_t>(4 * settings_.prompt)));
    return need("context", limits_.context, static_cast<std::int64_t>(settings_.prompt + settings_.answer + 8));
  }

  /// Sequence `which` of four, in place `place`: its slot, and every fourth page, the highest first where `place` is odd.
  contract_sequence make(std::size_t which, std::size_t place) const {
    contract_sequence s;
    s.slot = static_cast<slot_id>(place);
    for (std::int64_t i = 0; i < pages_each(); ++i)
      s.pages.push_back(static_cast<page_id>(4 * i + static_cast<std::int64_t>(place)));
    if (place % 2 == 1) std::reverse(s.pages.begin(), s.pages.end());
    auto const length = settings_.prompt - which;
    for (std::size_t i = 0; i < length; ++i)
      s.tokens.push_back(static_cast<token_id>(mix_bits(which * 1000 + i) % static_cast<std::uint64_t>(settings_.vocabulary)));
    s.how = how_;
    s.stream = random_stream(how_, which);
    s.prompt = length;
    return s;
  }

  /// One step of several sequences, each with its next `counts` tokens, sampling where that is all it has.
  result<void> advance(std::span<contract_sequence* const> all, std::span<std::size_t const> counts) {
    batch work;
    for (std::size_t i = 0; i < all.size(); ++i)
      work.rows.push_back(all[i]->row(counts[i], counts[i] == all[i]->pending() ? 1 : 0));
    GPUPLACE_TRY(auto const outcome, driver_.step(work));
    std::size_t next = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i]->held += static_cast<std::int64_t>(counts[i]);
      if (work.rows[i].samples == 0) continue;
      if (next == outcome.tokens.size()) break;
      all[i]->tokens.push_back(outcome.tokens[next++]);
    }
    if (next != outcome.tokens.size() || next != static_cast<std::size_t>(samples_of(work)))
      return fault("outcome",
                   std::to_string(outcome.tokens.size()) + " tokens from a step that samples " + std::to_string(samples_of(work)));
    if (outcome.device_time < seconds{0}) return fault("outcome", "device_time is negative");
    return {};
  }
  static std::int64_t samples_of(batch const& work) {
    std::int64_t n = 0;
    for (auto const& row : work.rows) n += row.samples;
    return n;
  }
  result<void> advance(contract_sequence& s, std::size_t count) {
    contract_sequence* const one[] = {&s};
    std::size_t const counts[] = {count};
    return advance(one, counts);
  }
  /// Until `s` has `answer` tokens more than its prompt.
  result<void> finish(contract_sequence& s, std::size_t prompt) {
    while (s.tokens.size() < prompt + settings_.answer) GPUPLACE_CHECK(advance(s, s.pending()));
    return {};
  }
  void release(contract_sequence& s) {
    driver_.edit([this, slot = s.slot] { driver_.executor().release(slot); });
    s.held = 0;
  }

  /// Sequence `which` by itself: the tokens that all else is compared with.
  result<std::vector<token_id>> alone(std::size_t which, std::size_t place) {
    auto s = make(which, place);
    GPUPLACE_CHECK(finish(s, s.tokens.size()));
    release(s);
    return std::move(s.tokens);
  }
  result<void> same(std::string clause, contract_sequence const& s, std::vector<token_id> const& expected) const {
    auto const at = static_cast<std::size_t>(
        std::mismatch(s.tokens.begin(), s.tokens.end(), expected.begin(), expected.end()).first - s.tokens.begin());
    if (at == s.tokens.size() && s.tokens.size() <= expected.size()) return {};
    return fault(clause + (how_.greedy() ? ", greedy" : ", sampled"),
                 "token " + std::to_string(at) + " is " + std::to_string(s.tokens[at]) + ", alone it is " +
                     (at < expected.size() ? std::to_string(expected[at]) : "none"));
  }

  result<void> repeats() {
    GPUPLACE_TRY(auto const first, alone(0, 0));
    for (auto const t : first)
      if (t < 0) return fault("outcome", "a negative token");
    auto again = make(0, 3);  // another slot, other pages, another order of pages
    GPUPLACE_CHECK(finish(again, again.tokens.size()));
    release(again);
    return same("another slot and other pages", again, first);
  }

  result<void> chunks() {
    GPUPLACE_TRY(auto const expected, alone(1, 0));
    for (std::size_t const chunk : {std::size_t{1}, std::size_t{3}, static_cast<std::size_t>(limits_.page_tokens)}) {
      auto s = make(1, 1);
      auto const prompt = s.tokens.size();
      while (s.tokens.size() == prompt) GPUPLACE_CHECK(advance(s, std::min(chunk, s.pending())));
      GPUPLACE_CHECK(finish(s, prompt));
      release(s);
      GPUPLACE_CHECK(same("a prompt in chunks of " + std::to_string(chunk), s, expected));
    }
    return {};
  }

  /// Four sequences that enter one after the other: decodes beside whole prompts and chunks.
  result<void> batches() {
    std::vector<std::vector<token_id>> expected;
    std::vector<contract_sequence> all;
    for (std::size_t i = 0; i < 4; ++i) {
      GPUPLACE_TRY(auto one, alone(i, i));
      expected.push_back(std::move(one));
      all.push_back(make(i, 3 - i));
    }
    auto const target = [&](std::size_t i) { return settings_.prompt - i + settings_.answer; };
    for (std::size_t round = 0;; ++round) {
      std::vector<contract_sequence*> rows;
      std::vector<std::size_t> counts;
      for (std::size_t i = 0; i < 4; ++i) {
        if (round < 2 * i || all[i].tokens.size() >= target(i)) continue;
        rows.push_back(&all[i]);
        counts.push_back(i % 2 == 1 ? std::min<std::size_t>(all[i].pending(), 8) : all[i].pending());
      }
      if (rows.empty()) break;
      std::reverse(rows.begin(), rows.end());
      std::reverse(counts.begin(), counts.end());
      GPUPLACE_CHECK(advance(rows, counts));
    }
    for (std::size_t i = 0; i < 4; ++i) {
      release(all[i]);
      GPUPLACE_CHECK(same("in a batch with others", all[i], expected[i]));
    }
    return {};
  }

  /// A row with several samples gives what one position after the other gives: that is how drafts are verified.
  result<void> verifies() {
    GPUPLACE_TRY(auto const expected, alone(2, 0));
    auto s = make(2, 2);
    auto const prompt = s.tokens.size();
    s.tokens = {expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(prompt + 4)};
    batch work;
    work.rows.push_back(s.row(prompt + 4, 5));
    GPUPLACE_TRY(auto const outcome, driver_.step(work));
    release(s);
    if (outcome.tokens.size() != 5)
      return fault("verify", "5 samples were asked for, " + std::to_string(outcome.tokens.size()) + " came");
    s.tokens = {expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(prompt)};
    s.tokens.insert(s.tokens.end(), outcome.tokens.begin(), outcome.tokens.end());
    return same("several samples in one row", s, expected);
  }

  /// A rejected draft leaves nothing behind.
  result<void> truncates() {
    GPUPLACE_TRY(auto const expected, alone(0, 0));
    auto s = make(0, 1);
    auto const prompt = s.tokens.size();
    GPUPLACE_CHECK(advance(s, s.pending()));
    auto const kept = s.held;
    auto const confirmed = s.tokens;
    for (token_id draft = 0; draft < 3; ++draft) s.tokens.push_back((confirmed.back() + draft + 1) % settings_.vocabulary);
    batch work;
    work.rows.push_back(s.row(s.pending(), 4));
    GPUPLACE_CHECK(driver_.step(work));
    driver_.edit([&] { driver_.executor().truncate(s.slot, kept); });
    s.tokens = confirmed;
    GPUPLACE_CHECK(finish(s, prompt));
    release(s);
    return same("after a rejected draft", s, expected);
  }

  result<void> forks() {
    GPUPLACE_CHECK(alone(3, 1));  // what was in the copy's pages before must not show
    GPUPLACE_TRY(auto const expected, alone(0, 0));
    auto from = make(0, 0);
    auto const prompt = from.tokens.size();
    GPUPLACE_CHECK(advance(from, from.pending()));
    auto to = make(0, 1);
    to.tokens = from.tokens;
    to.held = from.held;
    result<void> copied;
    driver_.edit([&] { copied = driver_.executor().fork(from.slot, to.slot, from.pages, to.pages); });
    GPUPLACE_CHECK(copied);
    auto other = to;  // continues with another token, which `from` must not notice
    other.tokens.back() = (other.tokens.back() + 1) % settings_.vocabulary;
    GPUPLACE_CHECK(advance(other, 1));
    GPUPLACE_CHECK(finish(from, prompt));
    GPUPLACE_CHECK(same("the first of a fork", from, expected));
    driver_.edit([&] { driver_.executor().truncate(to.slot, to.held); });
    GPUPLACE_CHECK(finish(to, prompt));
    release(from);
    release(to);
    return same("the second of a fork", to, expected);
  }

  /// Forked sequences that read the same pages and write their own give what each gives alone, side by side.
  result<void> shares() {
    GPUPLACE_CHECK(alone(3, 1));
    GPUPLACE_TRY(auto const expected, alone(0, 0));
    auto from = make(0, 0);
    auto const prompt = from.tokens.size();
    GPUPLACE_CHECK(advance(from, from.pending()));
    auto to = make(0, 1);
    to.held = static_cast<std::int64_t>(prompt) - 1;
    auto const whole = to.held / limits_.page_tokens;
    std::copy_n(from.pages.begin(), whole, to.pages.begin());
    auto const used = static_cast<std::size_t>(pages_for(to.held, limits_.page_tokens));
    result<void> copied;
    driver_.edit([&] {
      copied = driver_.executor().fork(from.slot, to.slot, std::span<page_id const>(from.pages).first(used),
                                       std::span<page_id const>(to.pages).first(used));
      driver_.executor().truncate(to.slot, to.held);
    });
    GPUPLACE_CHECK(copied);
    while (from.tokens.size() < expected.size() || to.tokens.size() < expected.size()) {
      std::vector<contract_sequence*> rows;
      for (auto* const s : {&from, &to})
        if (s->tokens.size() < expected.size()) rows.push_back(s);
      std::vector<std::size_t> const counts(rows.size(), 1);
      GPUPLACE_CHECK(advance(rows, counts));
    }
    release(from);
    release(to);
    GPUPLACE_CHECK(same("the first of two that share pages", from, expected));
    return same("the second of two that share pages", to, expected);
  }

  /// A forbidden token does not come, and nothing is forbidden afterwards.
  result<void> forbids() {
    GPUPLACE_TRY(auto const expected, alone(1, 0));
    auto s = make(1, 0);
    auto const prompt = s.tokens.size();
    for (int round = 0; round < 3; ++round) {
      s.forbidden.push_back(expected[prompt]);
      if (round > 0) s.forbidden.push_back(s.tokens[prompt]), s.tokens.pop_back(), release(s);
      GPUPLACE_CHECK(advance(s, s.pending()));
      if (std::count(s.forbidden.begin(), s.forbidden.end(), s.tokens[prompt]) > 0)
        return fault("forbidden tokens", "token " + std::to_string(s.tokens[prompt]) + " came, which was forbidden");
    }
    release(s);
    GPUPLACE_TRY(auto again, alone(1, 0));
    s.tokens = std::move(again);
    return same("after tokens were forbidden", s, expected);
  }

  /// Log-probabilities come beside the tokens of rows that ask, and change none.
  result<void> tells() {
    GPUPLACE_TRY(auto const expected, alone(0, 0));
    GPUPLACE_TRY(auto const other, alone(1, 1));
    auto asks = make(0, 0), silent = make(1, 1);
    asks.logprobs = 3;
    batch work;
    work.rows.push_back(silent.row(silent.pending(), 1));
    work.rows.push_back(asks.row(asks.pending(), 1));
    GPUPLACE_TRY(auto const outcome, driver_.step(work));
    release(asks);
    release(silent);
    if (outcome.logprobs.size() != 2) return fault("logprobs", std::to_string(outcome.logprobs.size()) + " came beside 2 tokens");
    auto const& told = outcome.logprobs[1];
    if (outcome.tokens[1] != expected[asks.prompt] || outcome.tokens[0] != other[silent.prompt])
      return fault("logprobs", "asking for them changes a token");
    if (!outcome.logprobs[0].top.empty()) return fault("logprobs", "a row that did not ask has alternatives");
    if (told.chosen.token != outcome.tokens[1]) return fault("logprobs", "they are of another token than the one chosen");
    if (!(told.chosen.logprob <= 0)) return fault("logprobs", "a logarithm of a probability is positive, or no number");
    auto const likelier = [](token_probability const& a, token_probability const& b) { return a.logprob > b.logprob; };
    if (told.top.size() != 3 || !std::is_sorted(told.top.begin(), told.top.end(), likelier))
      return fault("logprobs", "3 alternatives were asked for, likeliest first, " + std::to_string(told.top.size()) + " came");
    if (how_ == sampling{} && told.top[0] != told.chosen) return fault("logprobs", "the greedy token is not the likeliest");
    return {};
  }

  /// A slot and its pages serve one sequence after another.
  result<void> reuses() {
    GPUPLACE_TRY(auto const expected, alone(3, 0));
    auto first = make(1, 2);
    GPUPLACE_CHECK(finish(first, first.tokens.size()));
    release(first);
    auto second = make(3, 2);
    GPUPLACE_CHECK(finish(second, second.tokens.size()));
    release(second);
    return same("in a slot used before", second, expected);
  }

  step_driver<E, Wait> driver_;
  executor_contract_settings settings_;
  executor_limits limits_;
  sampling how_;
};

}  // namespace detail

/// Runs the contract on `executor`: tokens are the same alone and in any batch, in one piece and in chunks, in any slot
/// and pages, forked, sharing pages, after a rejected draft and in a slot used before; greedy, sampled and with penalties;
/// forbidden tokens do not come, and log-probabilities come where they are asked for. Exact: give it an executor that computes
/// in fp32, or one that promises as much for its format.
/// @param wait  as step_driver's: how to wait for the step context
template <step_executor E, class Wait = wait_for_thread>
result<void> check_executor(E& executor, Wait wait = {}, executor_contract_settings const& settings = {}) {
  return detail::executor_contract<E, Wait>(executor, std::move(wait), settings).run();
}

}  // namespace gpuplace::testing
