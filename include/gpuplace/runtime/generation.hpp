#pragma once
/// @file
/// What is asked of a model instance and what it answers.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/core/units.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// How the next token is chosen.
struct sampling {
  double temperature = 0;  ///< 0: the most likely token, always
  double top_p = 1;        ///< the smallest set of tokens with at least this much probability
  std::int64_t top_k = 0;  ///< at most so many tokens; 0: all
  std::uint64_t seed = 0;  ///< combined with the request's index, so that placement does not change a sample

  constexpr bool greedy() const { return temperature <= 0; }
  friend bool operator==(sampling const&, sampling const&) = default;
};

/// One request: a prompt in tokens and when to stop.
struct generation_request {
  std::size_t index = 0;  ///< position in its batch; decides the seed
  std::vector<token_id> prompt;
  std::int64_t max_tokens = 128;
  std::vector<token_id> end_tokens;  ///< generation stops after any of these
  sampling how;
  std::string adapter;  ///< a LoRA adapter by name; empty: the base model

  friend bool operator==(generation_request const&, generation_request const&) = default;
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

/// What came of a request. `tokens` leaves out the end token that stopped it.
struct generation {
  std::vector<token_id> tokens;
  finish_reason reason = finish_reason::length;
  std::int64_t prompt_tokens = 0;
  seconds queued{0};       ///< from submission to the first step it took part in
  seconds first_token{0};  ///< from submission to the first token
  seconds total{0};        ///< from submission to the end
  std::size_t instance = 0;

  friend bool operator==(generation const&, generation const&) = default;
};

}  // namespace gpuplace
