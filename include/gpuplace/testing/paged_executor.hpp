#pragma once
/// @file
/// The reference step executor: a model so small that its KV cache is all there is to it.

#include <gpuplace/runtime/random_stream.hpp>
#include <gpuplace/runtime/step_executor.hpp>
#include <gpuplace/simulation/made_up_tokens.hpp>
#include <gpuplace/testing/contract.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// Writes every token into a simulated KV pool through the row's page table, and makes the next token from a hash of what
/// the page table then shows: a mistake in pages, positions or slots changes tokens. Penalties mix the history into it. It
/// also refuses batches that break the rules of batch.hpp. For tests of schedulers and instances;
/// simulated_executor is the one with times.
class paged_executor {
public:
  paged_executor(boost::asio::any_io_executor context, executor_limits const& limits, token_id vocabulary = 1000)
      : state_(std::make_shared<state>(std::move(context), limits, vocabulary)) {}

  executor_limits limits() const { return state_->limits; }
  boost::asio::any_io_executor get_executor() const { return state_->context; }

  void async_step(batch const& work, step_handler handler) {
    boost::asio::post(state_->context, [weak = std::weak_ptr(state_), &work, handler = std::move(handler)] {
      if (auto const alive = weak.lock()) handler(alive->run(work));
    });
  }

  /// The step without its handler.
  result<step_outcome> step(batch const& work) { return state_->run(work); }

  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages) {
    auto& s = *state_;
    if (to_pages.size() < from_pages.size()) return broken("fork", "fewer pages to copy to than from");
    for (std::size_t i = 0; i < from_pages.size(); ++i)
      for (std::int64_t at = 0; at < s.limits.page_tokens; ++at) s.cell(to_pages, i, at) = s.cell(from_pages, i, at);
    s.held[static_cast<std::size_t>(to)] = s.held[static_cast<std::size_t>(from)];
    return {};
  }
  void truncate(slot_id slot, std::int64_t length) { state_->held[static_cast<std::size_t>(slot)] = length; }
  void release(slot_id slot) { state_->held[static_cast<std::size_t>(slot)] = 0; }

private:
  struct state {
    state(boost::asio::any_io_executor c, executor_limits const& l, token_id v)
        : context(std::move(c)),
          limits(l),
          vocabulary(v),
          pool(static_cast<std::size_t>(l.kv_pages * l.page_tokens)),
          held(static_cast<std::size_t>(l.slots)) {}

    boost::asio::any_io_executor context;
    executor_limits limits;
    token_id vocabulary;
    std::vector<std::uint64_t> pool;
    std::vector<std::int64_t> held;  ///< tokens that each slot has in the cache

    std::uint64_t& cell(std::span<page_id const> pages, std::size_t page, std::int64_t offset) {
      return pool[static_cast<std::size_t>(pages[page] * limits.page_tokens + offset)];
    }
    std::uint64_t& cell(batch_row const& row, std::int64_t position) {
      return cell(row.pages, static_cast<std::size_t>(position / limits.page_tokens), position % limits.page_tokens);
    }

    result<step_outcome> run(batch const& work) {
      GPUPLACE_CHECK(check(work));
      for (auto const& row : work.rows)
        for (std::size_t i = 0; i < row.tokens.size(); ++i) {
          auto const position = row.start + static_cast<std::int64_t>(i);
          cell(row, position) = mix_bits(static_cast<std::uint64_t>(row.tokens[i]) ^ static_cast<std::uint64_t>(position) << 32);
        }
      step_outcome outcome;
      for (auto const& row : work.rows) {
        auto const end = row.start + static_cast<std::int64_t>(row.tokens.size());
        for (auto last = end - row.samples; last < end; ++last) outcome.tokens.push_back(next(row, last));
        for (auto i = row.samples; i > 0 && asks(work); --i)
          outcome.logprobs.push_back(made_up_logprobs(*(outcome.tokens.end() - i), row.logprobs, vocabulary));
        held[static_cast<std::size_t>(row.slot)] = end;
      }
      return outcome;
    }

    token_id next(batch_row const& row, std::int64_t last) {
      std::uint64_t seen = 0;
      for (std::int64_t p = 0; p <= last; ++p) seen = mix_bits(seen ^ cell(row, p));
      if (!row.how.greedy()) seen = mix_bits(seen ^ mix_bits(row.random_stream ^ static_cast<std::uint64_t>(last)));
      if (row.how.penalised()) seen = mix_bits(seen ^ history_up_to(row, last));
      return first_allowed(seen, row.forbidden, vocabulary);
    }

    static std::uint64_t history_up_to(batch_row const& row, std::int64_t last) {
      auto seen = static_cast<std::uint64_t>(row.prompt_tokens);
      for (auto const token : row.history.first(static_cast<std::size_t>(last + 1)))
        seen = mix_bits(seen ^ static_cast<std::uint64_t>(token));
      return seen;
    }

    static bool asks(batch const& work) {
      return std::any_of(work.rows.begin(), work.rows.end(), [](auto const& row) { return row.samples > 0 && row.logprobs >= 0; });
    }

    result<void> check(batch const& work) const {
      std::vector<bool> slots(held.size());
      std::vector<int> readers(static_cast<std::size_t>(limits.kv_pages)), writers(readers.size());
      if (work.rows.empty()) return broken("batch", "it has no rows");
      if (work.token_count() > limits.step_tokens)
        return broken("batch", std::to_string(work.token_count()) + " tokens, more than " + std::to_string(limits.step_tokens));
      for (auto const& row : work.rows) {
        auto const slot = static_cast<std::size_t>(row.slot);
        auto const end = row.start + static_cast<std::int64_t>(row.tokens.size());
        if (slot >= slots.size() || slots[slot]) return broken("batch", "slot " + std::to_string(slot) + " twice, or out of range");
        slots[slot] = true;
        if (row.tokens.empty()) return broken("batch", "a row without tokens");
        if (row.start != held[slot])
          return broken("batch", "slot " + std::to_string(slot) + " holds " + std::to_string(held[slot]) +
                                     " tokens, the row starts at " + std::to_string(row.start));
        if (end > limits.context) return broken("batch", "a row reaches beyond the context");
        if (static_cast<std::int64_t>(row.pages.size()) * limits.page_tokens < end) return broken("batch", "too few pages");
        if (row.samples < 0 || row.samples > static_cast<std::int64_t>(row.tokens.size()))
          return broken("batch", "too many samples");
        if (row.samples > 0 && row.how.penalised() && static_cast<std::int64_t>(row.history.size()) != end)
          return broken("batch", "a history of " + std::to_string(row.history.size()) + " tokens for a row that ends at " +
                                     std::to_string(end));
        for (std::size_t i = 0; i < row.pages.size(); ++i) {
          auto const page = row.pages[i];
          if (page < 0 || page >= limits.kv_pages) return broken("batch", "page " + std::to_string(page) + " is out of range");
          bool const only_read = static_cast<std::int64_t>(i + 1) * limits.page_tokens <= row.start;
          ++(only_read ? readers : writers)[static_cast<std::size_t>(page)];
        }
      }
      for (std::size_t page = 0; page < writers.size(); ++page)
        if (writers[page] > 1 || (writers[page] == 1 && readers[page] > 0))
          return broken("batch", "page " + std::to_string(page) + " is written by one row and held by another");
      return {};
    }
  };

  std::shared_ptr<state> state_;
};
static_assert(check_step_executor<paged_executor>());

}  // namespace gpuplace::testing
