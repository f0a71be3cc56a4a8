#pragma once
/// @file
/// What is asked of a model instance and what it answers.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/core/units.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// How the next token is chosen: penalties, temperature, top_k, top_p and min_p, in that order.
/// Source:     the order and rules of transformers' logits processors; the additive penalties are the OpenAI protocol's
struct sampling {
  double temperature = 0;         ///< 0: the most likely token, always
  double top_p = 1;               ///< the smallest set of tokens with at least this much probability
  std::int64_t top_k = 0;         ///< at most so many tokens, and those as likely as the last of them; 0: all
  double min_p = 0;               ///< tokens at least so likely, as a fraction of the likeliest
  double repetition_penalty = 1;  ///< divides the positive and multiplies the negative logits of tokens in prompt or answer
  double frequency_penalty = 0;   ///< taken off a token's logit for each time it stands in the answer
  double presence_penalty = 0;    ///< taken off the logit of each token that stands in the answer
  std::uint64_t seed = 0;         ///< combined with the request's index, so that placement does not change a sample

  constexpr bool greedy() const { return temperature <= 0; }
  /// True where a choice depends on which tokens came before.
  constexpr bool penalised() const { return repetition_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0; }
  friend bool operator==(sampling const&, sampling const&) = default;
};

/// Looks at one sample's tokens as they come; true once they have reached the end of the answer.
/// It runs between steps, on the step context: it must be quick and may not wait.
using stop_watch = std::function<bool(std::span<token_id const> fresh)>;

/// When an answer ends by what its tokens say together, such as a string in its text; see stop_at() in stop_at.hpp.
struct stop_rule {
  std::vector<std::string> strings;   ///< what it looks for, for backends that speak text themselves
  std::function<stop_watch()> watch;  ///< begins to watch one sample
};

/// Most alternatives that generation_request::logprobs may ask for at each token.
inline constexpr std::int32_t most_logprobs = 20;

/// One request: a prompt in tokens and when to stop.
struct generation_request {
  std::size_t index = 0;  ///< position in its batch; decides the seed
  std::vector<token_id> prompt;
  std::int64_t max_tokens = 128;
  std::vector<token_id> end_tokens;  ///< generation stops after any of these; without them nothing but its length ends it
  sampling how;
  std::string adapter;          ///< a LoRA adapter by name; empty: the base model
  std::int64_t n = 1;           ///< answers to the one prompt, each with a random stream of its own; the prompt is computed once
  std::int64_t min_tokens = 0;  ///< no end token is chosen before so many tokens
  std::optional<std::int32_t> logprobs;   ///< tell each token's log-probability, and so many of the most likely ones'
  std::shared_ptr<stop_rule const> stop;  ///< ends an answer before its length does; may be empty
  std::optional<seconds> time_limit;      ///< from submission; looked at between steps, after it errc::timed_out

  friend bool operator==(generation_request const&, generation_request const&) = default;
};

/// A token and the natural logarithm of its probability in the model's own distribution, before penalties, temperature
/// and filters, as vLLM and the OpenAI protocol have it.
struct token_probability {
  token_id token = 0;
  float logprob = 0;

  friend bool operator==(token_probability const&, token_probability const&) = default;
};

/// The probability of a chosen token beside those of the most likely ones, likeliest first, the smaller id among equals.
struct token_logprobs {
  token_probability chosen;
  std::vector<token_probability> top;

  friend bool operator==(token_logprobs const&, token_logprobs const&) = default;
};

/// New tokens of one sample, in order; several at once where a step accepted a draft or the reader was slow.
struct token_piece {
  std::span<token_id const> tokens;
  std::size_t sample = 0;                      ///< [0, generation_request::n)
  std::span<token_logprobs const> logprobs{};  ///< one for each token where the request asked for them

  operator std::span<token_id const>() const { return tokens; }
};

enum class finish_reason { stop, length, cancelled, failed };

/// The word that the OpenAI protocol uses.
constexpr std::string_view to_string(finish_reason reason) {
  switch (reason) {
    case finish_reason::stop: return "stop";
    case finish_reason::length: return "length";
    case finish_reason::cancelled: return "cancelled";
    case finish_reason::failed: return "error";
  }
  return "unknown";
}

/// What came of a request. `tokens` leaves out the end token that stopped it, and has the tokens of a stop string.
struct generation {
  std::vector<token_id> tokens{};
  finish_reason reason = finish_reason::length;
  std::int64_t prompt_tokens = 0;
  seconds queued{0};       ///< from submission to the first step it took part in
  seconds first_token{0};  ///< from submission to the first token
  seconds total{0};        ///< from submission to the end
  std::size_t instance = 0;
  std::vector<token_logprobs> logprobs{};  ///< one for each of `tokens` where the request asked for them
  std::vector<generation> more{};          ///< samples 1, 2, … of a request with n > 1; this is sample 0

  friend bool operator==(generation const&, generation const&) = default;
};

}  // namespace gpuplace
