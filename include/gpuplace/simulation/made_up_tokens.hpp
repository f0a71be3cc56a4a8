#pragma once
/// @file
/// Tokens and their probabilities out of hashes, for executors without a model.

#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/random_stream.hpp>

#include <algorithm>
#include <cstdint>
#include <span>

namespace gpuplace {

/// The token that a hash stands for, or that of the next hash while it is forbidden. Token 0 where all are.
inline token_id first_allowed(std::uint64_t hash, std::span<token_id const> forbidden, token_id vocabulary) {
  for (std::size_t tries = 0; tries <= 16 * (forbidden.size() + 1); ++tries, hash = mix_bits(hash)) {
    auto const token = static_cast<token_id>(hash % static_cast<std::uint64_t>(vocabulary));
    if (std::find(forbidden.begin(), forbidden.end(), token) == forbidden.end()) return token;
  }
  token_id token = 0;
  while (token < vocabulary && std::find(forbidden.begin(), forbidden.end(), token) != forbidden.end()) ++token;
  return token % vocabulary;
}

/// A distribution whose likeliest token is `token`, with one half, then those that follow it in the vocabulary with a quarter,
/// an eighth and so on.
/// @param alternatives  as batch_row::logprobs
inline token_logprobs made_up_logprobs(token_id token, std::int32_t alternatives, token_id vocabulary) {
  constexpr float half = -0.69314718F;
  token_logprobs made;
  if (alternatives < 0) return made;
  made.chosen = {token, half};
  for (std::int32_t i = 0; i < std::min(alternatives, vocabulary); ++i)
    made.top.push_back({(token + i) % vocabulary, half * static_cast<float>(i + 1)});
  return made;
}

}  // namespace gpuplace
