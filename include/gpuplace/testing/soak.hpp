#pragma once
/// @file
/// Thousands of mixed requests, some of them cancelled or out of time, to see that none is lost and nothing is kept.

#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// What requests a soak sends. All follows from the seed.
struct soak_settings {
  std::size_t requests = 10'000;
  std::size_t in_flight = 300;  ///< sent and not ended
  std::uint64_t seed = 1;
  std::int64_t vocabulary = 1000;
  std::int64_t prompt_tokens = 64;  ///< at most; one in ten has as many
  std::int64_t answer_tokens = 48;  ///< at most
  std::vector<token_id> end_tokens;
  std::shared_ptr<stop_rule const> stop;  ///< for one request in eight
  double cancelled = 0.2;                 ///< part of the requests that a cancel is sent for
  double expiring = 0.05;                 ///< part of the requests that have a time limit
  seconds time_limit{1};                  ///< the longest of those limits
};

/// When a request is cancelled.
enum class soak_cancel { never, at_once, after_tokens_of_all, after_own_tokens };

struct soak_request {
  generation_request request;
  soak_cancel cancel = soak_cancel::never;
  std::int64_t after = 0;  ///< so many tokens, told since it was sent
};

/// Request `index`: lengths, sampling, cancel and time limit of its own.
inline soak_request soak_request_of(soak_settings const& s, std::size_t index) {
  std::mt19937_64 draw(s.seed * 0x9e3779b97f4a7c15U + index);
  auto const between = [&](std::int64_t least, std::int64_t most) { return std::uniform_int_distribution(least, most)(draw); };
  auto const one_in = [&](std::int64_t n) { return between(1, n) == 1; };
  auto const chance = [&](double part) { return std::uniform_real_distribution(0.0, 1.0)(draw) < part; };
  soak_request made;
  auto& r = made.request;
  r.index = index;
  r.prompt.resize(static_cast<std::size_t>(one_in(10) ? s.prompt_tokens : between(1, s.prompt_tokens)));
  for (auto& token : r.prompt) token = static_cast<token_id>(between(0, s.vocabulary - 1));
  r.max_tokens = between(1, s.answer_tokens);
  r.end_tokens = s.end_tokens;
  switch (between(0, 3)) {
    case 0: r.how = {.temperature = 0.8, .top_p = 0.9, .seed = s.seed}; break;
    case 1: r.how = {.temperature = 1, .top_k = 20, .min_p = 0.01, .repetition_penalty = 1.1, .seed = s.seed}; break;
    default: break;  // greedy
  }
  if (one_in(8)) r.n = 2;
  if (one_in(8)) r.logprobs = static_cast<std::int32_t>(between(0, 5));
  if (one_in(8)) r.stop = s.stop;
  if (one_in(8)) r.min_tokens = std::min<std::int64_t>(4, r.max_tokens);
  if (chance(s.expiring)) r.time_limit = s.time_limit * std::uniform_real_distribution(0.0, 1.0)(draw);
  if (!chance(s.cancelled)) return made;
  made.cancel = static_cast<soak_cancel>(between(1, 3));
  made.after = made.cancel == soak_cancel::after_own_tokens ? between(1, r.max_tokens) : between(1, 20 * s.answer_tokens);
  return made;
}

/// What became of the requests so far.
struct soak_counts {
  std::size_t sent = 0, finished = 0, cancelled = 0, expired = 0, failed = 0;
  std::size_t cancels = 0;       ///< sent before the end was told; some come too late
  std::size_t ended_again = 0;   ///< ends of requests that had ended: must be none
  std::size_t told_wrongly = 0;  ///< finished requests whose tokens were not all told: must be none
  std::size_t overrun = 0;       ///< most tokens that one sample got after its cancel
  std::int64_t tokens = 0;       ///< told
  std::int64_t needed = 0;       ///< positions to compute where nothing is computed twice, at most
  std::optional<error> first_failure;

  std::size_t ended() const { return finished + cancelled + expired + failed; }
};

/// Begins one request and gives the function that cancels it.
using soak_start = std::function<cancel_function(generation_request, token_sink, generation_handler)>;

/// Requests that go to a fleet or deployment, and are cancelled as its users do: by a cancellation signal.
template <class Fleet>
soak_start soak_start_on(Fleet& served) {
  return [&served](generation_request request, token_sink on_tokens, generation_handler on_end) -> cancel_function {
    auto const signal = std::make_shared<boost::asio::cancellation_signal>();
    served.async_generate(
        std::move(request), std::move(on_tokens),
        boost::asio::bind_cancellation_slot(
            signal->slot(), [signal, on_end = std::move(on_end)](result<generation> outcome) { on_end(std::move(outcome)); }));
    return [signal] { signal->emit(boost::asio::cancellation_type::terminal); };
  };
}

/// Sends the requests, so many at once, and counts what comes back. It holds nothing of a request that has ended but one byte.
/// Threads:    one; handlers of `start` must run on the thread that calls begin()
class soak {
public:
  /// @param on_end  called after the end of each request; may be empty
  soak(soak_settings settings, soak_start start, std::function<void(soak_counts const&)> on_end = {})
      : settings_(std::move(settings)), start_(std::move(start)), on_end_(std::move(on_end)), ended_(settings_.requests, 0) {}
  soak(soak&&) = delete;

  void begin() {
    while (flights_.size() < settings_.in_flight && counts_.sent < settings_.requests) send(counts_.sent++);
  }

  bool done() const { return counts_.ended() == settings_.requests; }
  soak_counts const& counts() const { return counts_; }

private:
  struct flight {
    cancel_function cancel;
    std::int64_t cancel_after = 0;  ///< own tokens; 0: not by them
    std::vector<std::size_t> told;  ///< by sample
    std::optional<std::size_t> told_at_cancel;
    std::int64_t prompt = 0, longest = 0;
  };

  void send(std::size_t index) {
    auto asked = soak_request_of(settings_, index);
    auto& f = flights_[index];
    auto const samples = asked.request.n;
    f.told.resize(static_cast<std::size_t>(samples));
    f.prompt = samples * static_cast<std::int64_t>(asked.request.prompt.size());
    f.longest = f.prompt + samples * asked.request.max_tokens;
    if (asked.cancel == soak_cancel::after_own_tokens) f.cancel_after = asked.after;
    if (asked.cancel == soak_cancel::after_tokens_of_all) due_.emplace(counts_.tokens + asked.after, index);
    f.cancel = start_(
        std::move(asked.request), [this, index](token_piece const& fresh) { told(index, fresh); },
        [this, index](result<generation> outcome) { ended(index, outcome); });
    if (asked.cancel == soak_cancel::at_once) cancel(f);
  }

  void cancel(flight& f) {
    if (f.told_at_cancel) return;
    f.told_at_cancel = f.told.front();
    ++counts_.cancels;
    f.cancel();
  }

  void told(std::size_t index, token_piece const& fresh) {
    counts_.tokens += static_cast<std::int64_t>(fresh.tokens.size());
    auto const found = flights_.find(index);
    if (found == flights_.end()) return void(++counts_.told_wrongly);
    auto& f = found->second;
    f.told[fresh.sample] += fresh.tokens.size();
    if (f.cancel_after > 0 && static_cast<std::int64_t>(f.told.front()) >= f.cancel_after) cancel(f);
    for (; !due_.empty() && due_.begin()->first <= counts_.tokens; due_.erase(due_.begin()))
      if (auto const other = flights_.find(due_.begin()->second); other != flights_.end()) cancel(other->second);
  }

  void ended(std::size_t index, result<generation> const& outcome) {
    auto const found = flights_.find(index);
    if (std::exchange(ended_[index], 1) != 0 || found == flights_.end()) return void(++counts_.ended_again);
    if (outcome) count(found->second, *outcome);
    else count(found->second, outcome.error());
    flights_.erase(found);
    if (on_end_) on_end_(counts_);
    begin();
  }

  void count(flight const& f, generation const& g) {
    counts_.needed += f.prompt;
    for (std::size_t sample = 0; sample <= g.more.size(); ++sample) {
      auto const got = (sample == 0 ? g : g.more[sample - 1]).tokens.size();
      counts_.needed += static_cast<std::int64_t>(got);
      if (g.reason != finish_reason::cancelled && got != f.told[sample]) ++counts_.told_wrongly;
    }
    if (g.reason != finish_reason::cancelled) return void(++counts_.finished);
    ++counts_.cancelled;
    if (f.told_at_cancel) counts_.overrun = std::max(counts_.overrun, g.tokens.size() - *f.told_at_cancel);
  }

  void count(flight const& f, error const& why) {
    counts_.needed += f.longest;
    if (why.code == errc::timed_out) return void(++counts_.expired);
    ++counts_.failed;
    if (!counts_.first_failure) counts_.first_failure = why;
  }

  soak_settings settings_;
  soak_start start_;
  std::function<void(soak_counts const&)> on_end_;
  soak_counts counts_;
  std::unordered_map<std::size_t, flight> flights_;
  std::multimap<std::int64_t, std::size_t> due_;  ///< cancels, by the number of tokens told
  std::vector<std::uint8_t> ended_;
};

/// The plan with KV pools of only this part of its demand: sequences that run side by side must give way to each other.
inline plan with_small_pools(plan made, double part) {
  for (auto& m : made.models)
    for (auto& r : m.replicas)
      for (auto& s : r.stages) s.kv_pool_bytes = bytes{static_cast<std::int64_t>(part * static_cast<double>(s.kv_bytes.count()))};
  return made;
}

}  // namespace gpuplace::testing
