#pragma once
/// @file
/// Continuous batching: which sequences take part in the next step, and with which tokens.

#include <gpuplace/core/result.hpp>
#include <gpuplace/routing/fleet_view.hpp>
#include <gpuplace/runtime/admission.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/detail/sequence.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/kv_pages.hpp>
#include <gpuplace/runtime/random_stream.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// A request in a scheduler. `index` is small and used again once a request's end has been drained, so that a caller may
/// keep a table of its own by it.
struct sequence_id {
  std::uint32_t index = 0;
  std::uint32_t reuse = 0;

  friend bool operator==(sequence_id const&, sequence_id const&) = default;
};

/// What happened to a sample of a request: new tokens, its end, or both.
struct scheduler_event {
  sequence_id id;
  std::span<token_id const> tokens;          ///< valid while the event is looked at
  std::span<token_logprobs const> logprobs;  ///< likewise, one for each token where the request asked
  std::optional<result<generation>> end;     ///< nothing follows it
};

/// An edit that the executor does before the next step: `to` takes over the first `length` tokens of `from`. Pages that are
/// the same in both tables are shared; the others are copied.
struct slot_fork {
  slot_id from = 0, to = 0;
  std::span<page_id const> from_pages, to_pages;
  std::int64_t length = 0;
};

/// The state machine of continuous batching: submissions and finished steps in, the next step's batch out.
/// It has no I/O, no thread and no clock; time comes as an argument, from any origin. A step takes one token of every
/// decoding sequence and fills what is left of `step_tokens` with chunks of prompts, oldest request first. A request
/// is admitted when there is a slot and the pages for its prompt; later pages come one by one, and when none is left
/// the youngest sequence gives up its own and is computed again later: it loses nothing and repeats nothing.
/// Where the executor takes several steps at once, running sequences are shared out over its micro-batches, steps beyond these are
/// for prompts that fill them, and the next chunk of a long prompt follows while the one before is under way.
/// Of a request with several samples, one computes the prompt and the others fork from it: whole pages of the prompt are
/// shared, the last one, in which each continues, is copied.
/// Threads:    none of its own; one call at a time
/// Complexity: a step is O(its rows), and allocates nothing once warm
class scheduler {
public:
  explicit scheduler(executor_limits const& limits)
      : limits_(limits), pool_(limits.kv_pages), flights_(static_cast<std::size_t>(limits.steps)) {
    assert(limits.slots > 0 && limits.step_tokens > 0 && limits.page_tokens > 0 && limits.steps > 0 && limits.micro_batches >= 0);
    auto const slots = static_cast<std::size_t>(limits.slots);
    for (auto slot = limits.slots; slot-- > 0;) slots_.push_back(static_cast<slot_id>(slot));
    running_.reserve(slots);
    for (auto& f : flights_) f.work.rows.reserve(slots), f.sequences.reserve(slots);
    events_.reserve(slots);
    forks_.reserve(slots);
  }
  scheduler(scheduler&&) = delete;

  /// Takes a request, and of its samples the first. Errors: as check_request, or the error of the lost device.
  result<sequence_id> submit(generation_request request, seconds now) {
    if (lost_) return *lost_;
    GPUPLACE_CHECK(check_request(request, limits_));
    return add(std::move(request), 0, now);
  }

  /// Takes one more sample of a request whose first was submitted since the last batch.
  sequence_id submit_sample(sequence_id first, std::size_t sample, seconds now) {
    assert(table_[first.index].reuse == first.reuse && table_[first.index].state == state::waiting);
    auto const id = add(table_[first.index].request, sample, now);
    table_.join(id.index, first.index);
    return id;
  }

  /// Ends a sample: at once, or with the first step it takes part in. An id that has ended is ignored.
  void cancel(sequence_id id, seconds now) {
    if (id.index >= table_.size()) return;
    auto& s = table_[id.index];
    if (s.reuse != id.reuse || !lives(s)) return;
    if (s.steps > 0) {
      s.cancelled = true;
    } else {
      end(id.index, finished(s, finish_reason::cancelled, now), {});
      forget_ended();
    }
  }

  /// Ends every request as cancelled, whatever steps are in flight; complete() must not be called for them.
  void cancel_all(seconds now) {
    while (in_flight()) end_step();
    end_all([&](detail::sequence& s) { return finished(s, finish_reason::cancelled, now); });
  }

  /// The next step's batch; null when there is nothing to do or as many steps are in flight as there may be. It stays as it
  /// is until complete().
  batch const* next_batch(seconds now) {
    if (flying_ == flights_.size()) return nullptr;
    auto& f = flights_[(oldest_ + flying_) % flights_.size()];
    f.work.rows.clear();
    f.sequences.clear();
    f.decodes = false;
    forks_.clear();
    expire(now);
    if (decoding_steps() >= parts() && !prompts_fill_a_step()) return nullptr;
    f.prompt_tokens = 0;
    step_budget budget{limits_.step_tokens, prompt_share()};
    bool const had_pages = add_running(f, budget);
    if (had_pages) admit(f, budget);
    for (auto const i : f.sequences) {
      auto& s = table_[i];
      if (!std::exchange(s.started, true)) s.first_step = now;
    }
    if (f.work.rows.empty()) return nullptr;
    ++flying_;
    return &f.work;
  }

  /// Takes what came of the oldest step in flight. A failed step fails the requests in it, a lost device all requests now and
  /// later.
  void complete(result<step_outcome> const& outcome, seconds now) {
    assert(in_flight());
    auto const& f = flights_[oldest_];
    auto const checked = check_outcome(f.work, outcome);
    if (checked) take_tokens(f, *outcome, now);
    else fail_step(f, checked.error());
    end_step();
    forget_ended();
  }

  /// Fails the requests of the batch that came last, in place of beginning its step.
  void withdraw(error const& why) {
    assert(in_flight());
    auto& f = flights_[(oldest_ + --flying_) % flights_.size()];
    fail_step(f, why);
    land(f);
    forget_ended();
  }

  bool in_flight() const { return flying_ > 0; }

  /// Calls `f(scheduler_event&)` for what happened since the last call, in order. `f` must not call the scheduler.
  template <class F>
  void drain_events(F f) {
    for (auto& e : events_) f(e);
    events_.clear();
    table_.recycle();
  }

  /// Calls `f(slot_id)` for each slot that the executor must release before the next step.
  template <class F>
  void drain_released(F f) {
    for (auto const slot : released_) f(slot);
    released_.clear();
  }

  /// Calls `f(slot_fork const&)`, which gives result<void>, for each slot that continues another's prompt in the next step,
  /// after drain_released. Stops at the first error: the step cannot run then and is to be completed with that error.
  template <class F>
  result<void> drain_forks(F f) {
    for (auto const& [source, i] : forks_) {
      auto const& [from, to] = std::pair<detail::sequence const&, detail::sequence const&>(table_[source], table_[i]);
      auto const length = shared_tokens(to);
      auto const pages = static_cast<std::size_t>(pages_for(length, limits_.page_tokens));
      GPUPLACE_CHECK(
          f(slot_fork{from.slot, to.slot, std::span(from.pages).first(pages), std::span(to.pages).first(pages), length}));
    }
    forks_.clear();
    return {};
  }

  instance_load load() const {
    instance_load now;
    now.running = static_cast<std::int64_t>(running_.size());
    now.waiting = waiting_.size();
    now.queued_tokens = waiting_tokens_;
    for (auto const i : running_)
      if (auto const pending = table_[i].pending(); pending > 1) now.queued_tokens += pending;
    now.kv_used = pool_.size() > 0 ? 1 - static_cast<double>(pool_.free()) / static_cast<double>(pool_.size()) : 0;
    now.available = !lost_;
    return now;
  }

  executor_limits const& limits() const { return limits_; }
  kv_pages const& pages() const { return pool_; }

private:
  using index = detail::sequence_index;
  using state = detail::sequence_state;
  static constexpr seconds never{std::numeric_limits<double>::infinity()};

  struct flight {
    batch work;
    std::vector<index> sequences;  ///< whose rows they are
    bool decodes = false;          ///< some of them take part as running sequences
    std::int64_t prompt_tokens = 0;
  };

  /// Tokens that a step may still take, and of these tokens of prompts.
  struct step_budget {
    std::int64_t tokens = 0, prompts = 0;
  };

  static bool lives(detail::sequence const& s) { return s.state == state::waiting || s.state == state::running; }

  // ---- taking requests, and ending those whose time is over

  sequence_id add(generation_request request, std::size_t sample, seconds now) {
    auto const i = table_.add();
    auto& s = table_[i];
    s.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
    s.longest = longest(request, limits_);
    s.stream = random_stream(request.how, request.index, sample);
    s.watch = request.stop && request.stop->watch ? request.stop->watch() : stop_watch{};
    s.deadline = request.time_limit ? std::optional(now + *request.time_limit) : std::nullopt;
    if (s.deadline) next_deadline_ = std::min(next_deadline_, *s.deadline);
    s.request = std::move(request);
    s.sample = sample;
    s.tokens.clear();
    s.logprobs.clear();
    s.asked = s.computed = 0;
    s.cancelled = s.started = false;
    s.submitted = now;
    s.first_step = seconds{0};
    s.first_token.reset();
    wait(i, false);
    return sequence_id{i, s.reuse};
  }

  void expire(seconds now) {
    if (now < next_deadline_) return;
    next_deadline_ = never;
    for (index i = 0; i < table_.size(); ++i) {
      auto const& s = table_[i];
      if (!lives(s) || !s.deadline) continue;
      if (*s.deadline <= now) end(i, timed_out(s), {});
      else next_deadline_ = std::min(next_deadline_, *s.deadline);
    }
    forget_ended();
  }

  static error timed_out(detail::sequence const& s) {
    return {errc::timed_out,
            "its " + std::to_string(s.request.time_limit->count()) + " s were over when it had " + std::to_string(s.generated()) +
                " of " + std::to_string(s.longest - s.prompt_tokens) + " tokens",
            "request " + std::to_string(s.request.index), "give it more time, or send fewer requests at once"};
  }

  // ---- building a batch

  /// Rows of the sequences that run already, an even share of them where several steps may be in flight. False where one had to
  /// give up its pages, or has to wait for some.
  bool add_running(flight& f, step_budget& budget) {
    auto const share = (running_.size() + parts() - 1) / parts();
    bool const prompts_only = decoding_steps() >= parts();  // more parts would be smaller ones
    auto const decoding = [&](index i) { return table_[i].pending() == 1; };
    auto decodes = prompts_only ? 0 : std::count_if(running_.begin(), running_.end(), decoding);
    if (decodes == 0) budget.prompts = budget.tokens;
    bool had_pages = true;
    for (std::size_t at = 0; at < running_.size() && budget.tokens > 0 && f.sequences.size() < share; ++at) {
      auto& s = table_[running_[at]];
      if (s.pending() == 0) continue;
      bool const decode = decoding(running_[at]);
      if (decode && prompts_only) continue;
      if (decode) --decodes;
      auto const chunk = std::min(s.pending(), decode ? budget.tokens : std::min(budget.tokens - decodes, budget.prompts));
      if (chunk <= 0) continue;
      auto const before = running_.size();
      bool const grown = grow(running_[at], s.asked + chunk);
      had_pages = had_pages && grown && running_.size() == before;
      if (!grown) break;
      take(f, running_[at], chunk, budget);
      f.decodes = f.decodes || decode;
    }
    return had_pages;
  }

  /// Steps that running sequences are shared out over.
  std::size_t parts() const {
    return limits_.micro_batches > 0 ? static_cast<std::size_t>(limits_.micro_batches) : flights_.size();
  }

  /// Whether prompts alone are worth a step, which reads all weights: fewer tokens had better join a step of running sequences.
  bool prompts_fill_a_step() const { return prompts_at_hand(limits_.step_tokens) >= limits_.step_tokens; }

  /// Tokens of prompts that a step beside running sequences may take. Steps that follow each other through a pipeline wait for the
  /// longest of them, so each takes an even part of the prompts; below an eighth of a step's tokens a part is not worth its row.
  std::int64_t prompt_share() const {
    auto const parts = static_cast<std::int64_t>(this->parts());
    if (parts == 1) return limits_.step_tokens;
    std::int64_t flying = 0;
    for (std::size_t i = 0; i < flying_; ++i) flying += flights_[(oldest_ + i) % flights_.size()].prompt_tokens;
    auto const all = flying + prompts_at_hand(parts * limits_.step_tokens);
    return std::max({all / parts, limits_.step_tokens / 8, std::int64_t{1}});
  }

  /// Prompt tokens of sequences that run or for which there is a slot; those beyond `enough` need not be counted.
  std::int64_t prompts_at_hand(std::int64_t enough) const {
    std::int64_t tokens = 0;
    for (auto const i : running_)
      if (auto const pending = table_[i].pending(); pending > 1) tokens += pending;
    auto next = waiting_.front();
    for (std::size_t free = slots_.size(); free > 0 && next != detail::no_sequence && tokens < enough; --free) {
      tokens += table_[next].size();
      next = table_[next].next;
    }
    return tokens;
  }

  std::size_t decoding_steps() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < flying_; ++i) count += flights_[(oldest_ + i) % flights_.size()].decodes;
    return count;
  }

  void admit(flight& f, step_budget& budget) {
    while (budget.tokens > 0 && budget.prompts > 0 && !waiting_.empty() && !slots_.empty()) {
      auto const i = waiting_.front();
      auto& s = table_[i];
      auto const prompt = find_prompt(i);
      if (prompt.soon) return;
      // Beside running sequences, leave each of them a page to grow into: admitting only to preempt would waste prefills.
      auto const shared = prompt.in == detail::no_sequence ? 0 : shared_tokens(s) / limits_.page_tokens;
      auto const needed = pages_for(s.size(), limits_.page_tokens) - shared + static_cast<std::int64_t>(running_.size());
      if (pool_.free() < needed && (!running_.empty() || in_flight())) return;
      start(i, prompt.in);
      take(f, i, std::min({s.pending(), budget.tokens, budget.prompts}), budget);
    }
  }

  void take(flight& f, index i, std::int64_t chunk, step_budget& budget) {
    bool const prompt = table_[i].pending() > 1;
    add_row(f, i, chunk);
    budget.tokens -= chunk;
    if (!prompt) return;
    budget.prompts -= chunk;
    f.prompt_tokens += chunk;
  }

  /// What a forked sample takes over: all of its prompt but the last token, which it computes to draw by its own stream.
  static std::int64_t shared_tokens(detail::sequence const& s) { return s.prompt_tokens - 1; }

  struct prompt_place {
    index in = detail::no_sequence;  ///< a running sample that has the prompt in the cache and can be truncated to it
    bool soon = false;               ///< one is computing it
  };
  prompt_place find_prompt(index i) const {
    prompt_place found;
    for (auto k = table_[i].sibling; k != i && shared_tokens(table_[i]) > 0; k = table_[k].sibling) {
      if (table_[k].state != state::running) continue;
      auto const ahead = table_[k].computed - shared_tokens(table_[i]);
      if (ahead >= 0 && ahead < limits_.step_tokens) return {k, false};
      if (ahead < 0) found.soon = true;
    }
    return found;
  }

  /// @param prompt_in  the running sample whose prompt it takes over, if any
  void start(index i, index prompt_in) {
    auto& s = table_[i];
    waiting_.remove(i);
    waiting_tokens_ -= s.size();
    if (s.tokens.empty()) {
      s.tokens = std::move(s.request.prompt);
      s.tokens.reserve(static_cast<std::size_t>(s.longest));
      s.pages.reserve(static_cast<std::size_t>(pages_for(s.longest, limits_.page_tokens)));
      if (s.request.logprobs) s.logprobs.reserve(static_cast<std::size_t>(s.longest - s.prompt_tokens));
    }
    s.slot = slots_.back();
    slots_.pop_back();
    s.state = state::running;
    running_.push_back(i);
    if (prompt_in != detail::no_sequence) share_prompt(prompt_in, i);
    [[maybe_unused]] bool const grown = grow(i, s.size());
    assert(grown);
  }

  void share_prompt(index from, index to) {
    auto& s = table_[to];
    s.asked = s.computed = shared_tokens(s);
    for (auto const page : std::span(table_[from].pages).first(static_cast<std::size_t>(s.computed / limits_.page_tokens))) {
      pool_.share(page);
      s.pages.push_back(page);
    }
    forks_.emplace_back(from, to);
  }

  void add_row(flight& f, index i, std::int64_t chunk) {
    auto& s = table_[i];
    bool const last = chunk == s.pending();
    auto& row =
        f.work.rows.emplace_back(batch_row{s.slot, s.asked, s.chunk(chunk), s.pages, last ? 1 : 0, s.request.how, s.stream});
    if (last && s.request.how.penalised()) row.history = s.tokens, row.prompt_tokens = s.prompt_tokens;
    if (last && s.generated() < s.request.min_tokens) row.forbidden = s.request.end_tokens;
    if (last && s.request.logprobs) row.logprobs = *s.request.logprobs;
    f.sequences.push_back(i);
    s.asked += chunk;
    ++s.steps;
  }

  /// Pages for the first `tokens` of sequence `i`, where the pool has none from the youngest that no step in flight holds.
  /// False where `i` itself was that one and gave up its own, or where it has to wait for a step to end.
  bool grow(index i, std::int64_t tokens) {
    auto const wanted = static_cast<std::size_t>(pages_for(tokens, limits_.page_tokens));
    while (table_[i].pages.size() < wanted) {
      if (auto const page = pool_.take()) {
        table_[i].pages.push_back(*page);
        continue;
      }
      auto at = running_.end() - 1;
      while (table_[*at].steps > 0 && *at != i) --at;
      if (table_[*at].steps > 0) return false;
      auto const k = *at;
      running_.erase(at);
      give_up(k);
      table_[k].asked = table_[k].computed = 0;
      wait(k, true);
      if (k == i) return false;
    }
    return true;
  }

  void wait(index i, bool first) {
    table_[i].state = state::waiting;
    waiting_tokens_ += table_[i].size();
    first ? waiting_.push_front(i) : waiting_.push_back(i);
  }

  /// Slot and pages of a running sequence.
  void give_up(index i) {
    auto& s = table_[i];
    pool_.give_back(s.pages);
    s.pages.clear();
    slots_.push_back(s.slot);
    released_.push_back(s.slot);
    s.slot = -1;
  }

  // ---- taking a step's outcome

  static result<void> check_outcome(batch const& work, result<step_outcome> const& outcome) {
    if (!outcome) return outcome.error();
    std::size_t expected = 0;
    for (auto const& row : work.rows) expected += static_cast<std::size_t>(row.samples);
    if (outcome->tokens.size() != expected)
      return error{errc::mismatch,
                   "the executor gave " + std::to_string(outcome->tokens.size()) + " tokens for a step that samples " +
                       std::to_string(expected),
                   "step",
                   {}};
    bool const asked =
        std::any_of(work.rows.begin(), work.rows.end(), [](auto const& row) { return row.samples > 0 && row.logprobs >= 0; });
    if (outcome->logprobs.size() != (asked ? expected : 0))
      return error{errc::mismatch,
                   "the executor gave " + std::to_string(outcome->logprobs.size()) + " log-probabilities for " +
                       std::to_string(asked ? expected : 0) + " tokens",
                   "step",
                   {}};
    return {};
  }

  void take_tokens(flight const& f, step_outcome const& outcome, seconds now) {
    std::size_t next = 0;
    for (std::size_t row = 0; row < f.sequences.size(); ++row) {
      auto const i = f.sequences[row];
      auto& s = table_[i];
      s.computed += static_cast<std::int64_t>(f.work.rows[row].tokens.size());
      bool const sampled = f.work.rows[row].samples > 0;
      auto const at = sampled ? next++ : 0;
      if (!lives(s)) continue;
      if (s.cancelled) end(i, finished(s, finish_reason::cancelled, now), {});
      else if (sampled) take_token(i, outcome.tokens[at], f.work.rows[row].logprobs >= 0 ? &outcome.logprobs[at] : nullptr, now);
    }
  }

  void take_token(index i, token_id token, token_logprobs const* probabilities, seconds now) {
    auto& s = table_[i];
    auto const& stops = s.request.end_tokens;
    if (!s.first_token) s.first_token = now;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) return end(i, finished(s, finish_reason::stop, now), {});
    s.tokens.push_back(token);
    if (probabilities) s.logprobs.push_back(*probabilities);
    auto const fresh = std::span<token_id const>(s.tokens).last(1);
    if (s.watch && s.watch(fresh)) return end(i, finished(s, finish_reason::stop, now), fresh);
    if (s.size() >= s.longest) return end(i, finished(s, finish_reason::length, now), fresh);
    events_.push_back({{i, s.reuse}, fresh, fresh_logprobs(s, fresh), std::nullopt});
  }

  static std::span<token_logprobs const> fresh_logprobs(detail::sequence const& s, std::span<token_id const> fresh) {
    return std::span(s.logprobs).last(s.logprobs.empty() ? 0 : fresh.size());
  }

  void fail_step(flight const& f, error const& why) {
    if (why.code == errc::device_lost) {
      lost_ = why;
      end_all([&](detail::sequence&) -> result<generation> { return why; });
    } else {
      for (auto const i : f.sequences)
        if (lives(table_[i])) end(i, why, {});
    }
  }

  void end_step() {
    land(flights_[oldest_]);
    oldest_ = (oldest_ + 1) % flights_.size();
    --flying_;
  }

  /// Lets go of what a step held.
  void land(flight& f) {
    for (auto const i : f.sequences)
      if (--table_[i].steps == 0 && table_[i].state == state::ended) leave(i);
    f.sequences.clear();
  }

  generation finished(detail::sequence const& s, finish_reason reason, seconds now) const {
    generation g;
    if (!s.tokens.empty()) g.tokens.assign(s.tokens.begin() + s.prompt_tokens, s.tokens.end());
    g.logprobs = s.logprobs;
    g.reason = reason;
    g.prompt_tokens = s.prompt_tokens;
    g.total = now - s.submitted;
    g.queued = s.started ? s.first_step - s.submitted : g.total;
    g.first_token = s.first_token ? *s.first_token - s.submitted : g.total;
    return g;
  }

  /// Leaves `i` in running_: forget_ended() takes all that ended out at once.
  void end(index i, result<generation> how, std::span<token_id const> fresh) {
    auto& s = table_[i];
    events_.push_back({{i, s.reuse}, fresh, fresh_logprobs(s, fresh), std::move(how)});
    if (s.state == state::waiting) {
      waiting_.remove(i);
      waiting_tokens_ -= s.size();
      table_.remove(i);
    } else {
      s.state = state::ended;
      if (s.steps == 0) leave(i);
    }
  }

  /// What an ended sequence held.
  void leave(index i) {
    give_up(i);
    table_.remove(i);
  }

  void forget_ended() {
    std::erase_if(running_, [&](index i) { return table_[i].state != state::running; });
  }

  template <class How>
  void end_all(How how) {
    for (auto const i : running_)
      if (table_[i].state == state::running) end(i, how(table_[i]), {});
    forget_ended();
    while (!waiting_.empty()) end(waiting_.front(), how(table_[waiting_.front()]), {});
  }

  executor_limits limits_;
  kv_pages pool_;
  std::vector<slot_id> slots_;
  detail::sequence_table table_;
  detail::sequence_queue waiting_{table_};
  std::int64_t waiting_tokens_ = 0;
  std::vector<index> running_;   ///< oldest first
  std::vector<flight> flights_;  ///< a ring: the steps in flight, and room for more
  std::size_t oldest_ = 0, flying_ = 0;
  std::optional<error> lost_;
  std::vector<scheduler_event> events_;
  std::vector<slot_id> released_;
  std::vector<std::pair<index, index>> forks_;  ///< from one running sequence to another, before the step
  seconds next_deadline_ = never;
};

}  // namespace gpuplace
