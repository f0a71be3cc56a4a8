#pragma once
/// @file
/// A step executor without a device: steps take the time that a function says, tokens come from a hash.

#include <gpuplace/runtime/random_stream.hpp>
#include <gpuplace/runtime/step_executor.hpp>
#include <gpuplace/simulation/made_up_tokens.hpp>
#include <gpuplace/simulation/virtual_clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace {

/// How long a step takes.
using step_cost_function = std::function<seconds(batch const&)>;

/// Says what has failed before a step; nothing while all is well.
using fault_function = std::function<std::optional<error>()>;

/// Runs on a virtual clock. The next token is a hash of all tokens before it, and of the request's random stream where it
/// samples: independent of batch and placement, as a real model's is. Penalties and filters have nothing to work on and change
/// no token; forbidden tokens do not come. It keeps no KV cache; the paged_executor of testing/ finds mistakes in page tables.
/// Threads:    all calls on the clock's loop
class simulated_executor {
public:
  /// @param vocabulary  tokens lie in [0, vocabulary)
  simulated_executor(virtual_clock clock, executor_limits const& limits, step_cost_function cost, token_id vocabulary,
                     fault_function fault = {})
      : state_(std::make_shared<state>(std::move(clock), limits, std::move(cost), vocabulary, std::move(fault))) {}
  simulated_executor(simulated_executor&&) = default;
  simulated_executor& operator=(simulated_executor&&) = default;

  executor_limits limits() const { return state_->limits; }
  boost::asio::any_io_executor get_executor() const { return state_->clock.get_executor(); }

  void async_step(batch const& work, step_handler handler) {
    auto const time = state_->cost(work);
    state_->clock.after(time, [weak = std::weak_ptr(state_), &work, time, handler = std::move(handler)] {
      auto const alive = weak.lock();
      if (!alive) return;  // the executor is gone, and the batch with it
      if (alive->fault)
        if (auto failed = alive->fault()) return handler(*std::move(failed));
      auto outcome = alive->run(work);
      outcome.device_time = time;
      handler(std::move(outcome));
    });
  }

  result<void> fork(slot_id from, slot_id to, std::span<page_id const>, std::span<page_id const>) {
    state_->seen[static_cast<std::size_t>(to)] = state_->seen[static_cast<std::size_t>(from)];
    return {};
  }
  void truncate(slot_id slot, std::int64_t length) {
    state_->seen[static_cast<std::size_t>(slot)].resize(static_cast<std::size_t>(length));
  }
  void release(slot_id slot) { state_->seen[static_cast<std::size_t>(slot)].clear(); }

private:
  struct state {
    state(virtual_clock c, executor_limits const& l, step_cost_function f, token_id v, fault_function faults)
        : clock(std::move(c)),
          limits(l),
          cost(std::move(f)),
          vocabulary(v),
          fault(std::move(faults)),
          seen(static_cast<std::size_t>(l.slots)) {}

    virtual_clock clock;
    executor_limits limits;
    step_cost_function cost;
    token_id vocabulary;
    fault_function fault;
    std::vector<std::vector<std::uint64_t>> seen;  ///< for each slot and position, a hash of the tokens up to there

    step_outcome run(batch const& work) {
      step_outcome outcome;
      bool const asked =
          std::any_of(work.rows.begin(), work.rows.end(), [](auto const& row) { return row.samples > 0 && row.logprobs >= 0; });
      for (auto const& row : work.rows) {
        auto& hashes = seen[static_cast<std::size_t>(row.slot)];
        hashes.resize(static_cast<std::size_t>(row.start));
        auto hash = hashes.empty() ? 0 : hashes.back();
        for (auto const token : row.tokens) hashes.push_back(hash = mix_bits(hash ^ static_cast<std::uint64_t>(token)));
        for (auto at = hashes.size() - static_cast<std::size_t>(row.samples); at < hashes.size(); ++at)
          outcome.tokens.push_back(next(row, hashes[at], at));
        for (auto i = row.samples; i > 0 && asked; --i)
          outcome.logprobs.push_back(made_up_logprobs(*(outcome.tokens.end() - i), row.logprobs, vocabulary));
      }
      return outcome;
    }

    token_id next(batch_row const& row, std::uint64_t hash, std::size_t position) const {
      if (!row.how.greedy()) hash = mix_bits(hash ^ mix_bits(row.random_stream ^ position));
      return first_allowed(hash, row.forbidden, vocabulary);
    }
  };

  std::shared_ptr<state> state_;
};
static_assert(check_step_executor<simulated_executor>());

}  // namespace gpuplace
