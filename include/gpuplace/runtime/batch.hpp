#pragma once
/// @file
/// One step's work, as the scheduler hands it to an executor.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace gpuplace {

/// A sequence's place in an executor, [0, executor_limits::slots). Slots are reused after release.
using slot_id = std::int32_t;

/// A page of the KV cache, [0, executor_limits::kv_pages). Every stage of a replica has the same pages for its layers.
using page_id = std::int32_t;

/// One sequence in a step: `tokens` enter at positions [start, start + tokens.size()).
/// A prompt's chunk, one decoded token, or a draft to verify differ only in these numbers.
struct batch_row {
  slot_id slot = 0;
  std::int64_t start = 0;            ///< position of the first token: so many are in the cache already
  std::span<token_id const> tokens;  ///< at least one
  std::span<page_id const> pages;    ///< page table: token p lies in pages[p / page_tokens]
  std::int32_t samples = 0;          ///< how many of the last positions are sampled: 0 within a prompt, 1 when decoding
  sampling how;
  std::uint64_t random_stream = 0;        ///< seed of this request; a draw depends on it and on the position alone
  std::span<token_id const> history{};    ///< where how.penalised(): the sequence's tokens [0, start + tokens.size())
  std::int64_t prompt_tokens = 0;         ///< so many of `history` are the prompt
  std::span<token_id const> forbidden{};  ///< tokens that may not be chosen
  std::int32_t logprobs = -1;             ///< alternatives to tell beside each sample's log-probability; -1: tell nothing
};

/// A step: rows of different sequences, prefill chunks beside decodes. Spans stay valid until the step completes.
/// Rows may share pages that lie before both of their starts: forked sequences read the same beginning.
struct batch {
  std::vector<batch_row> rows;

  std::int64_t token_count() const {
    std::int64_t n = 0;
    for (auto const& row : rows) n += static_cast<std::int64_t>(row.tokens.size());
    return n;
  }
};

/// What a step gave: for each row its sampled tokens, rows in order, `batch_row::samples` of each.
struct step_outcome {
  std::vector<token_id> tokens;
  seconds device_time{0};                  ///< how long the devices were busy with it
  std::vector<token_logprobs> logprobs{};  ///< empty where no row asks, else beside every token, empty for rows that do not
};

}  // namespace gpuplace
