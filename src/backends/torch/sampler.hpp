#pragma once
/// @file
/// Chooses a token from one row of logits on the host.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace gpuplace::torch_detail {

/// One token to choose from a row of logits; the parts mean what batch_row's do.
struct sample_request {
  sampling how;
  std::uint64_t random_stream = 0;
  std::int64_t position = 0;            ///< of the token that is chosen
  std::span<token_id const> history{};  ///< the tokens before it, where how.penalised()
  std::int64_t prompt_tokens = 0;
  std::span<token_id const> forbidden{};
  std::int32_t logprobs = -1;
};

/// A token that may be drawn.
struct candidate {
  std::uint64_t weight = 0;  ///< its probability beside the likeliest token's, as part of cuda::full_weight
  float logit = 0;
  token_id token = 0;

  /// Heaps put the likeliest token on top, the smaller id among equals.
  friend bool operator<(candidate const& a, candidate const& b) {
    return a.logit != b.logit ? a.logit < b.logit : a.token > b.token;
  }
};

/// The tokens that are left after penalties, temperature, top-k, top-p and min-p, in that order, smaller ids first; for a greedy
/// request the one with the largest logit, the first among equals. Empty where a logit is NaN or the largest is not finite.
/// It lies in memory of the calling thread until the thread's next call.
/// Complexity: O(vocabulary + history); with top-p also O(kept log vocabulary). Allocates nothing once warm; a greedy request
///             without penalties and forbidden tokens is one pass over the logits
std::span<candidate const> candidates_of(std::span<float const> logits, sample_request const& ask);

/// One of candidates_of, drawn by `random_stream` and `position` alone; nothing where there is none. The kernel `choose` finds the
/// same token: weights are whole numbers, and their sums exact.
std::optional<token_id> sample_token(std::span<float const> logits, sample_request const& ask);

/// The log-probability of `chosen` and of the `alternatives` likeliest tokens in the distribution of the logits as they are.
/// Complexity: O(vocabulary * log alternatives)
token_logprobs logprobs_of(std::span<float const> logits, token_id chosen, std::int32_t alternatives);

}  // namespace gpuplace::torch_detail
