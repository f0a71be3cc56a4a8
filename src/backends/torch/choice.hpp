#pragma once
/// @file
/// A request for a token as the device reads it.

#include "../../cuda/kernels/sampling_math.hpp"
#include "sampler.hpp"

#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/random_stream.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace gpuplace::torch_detail {

/// How the device chooses as sample_token() does, or nothing where the host must: for log-probabilities after penalties, and for
/// lists of forbidden tokens that are too long.
/// @param slot  of the sequence, whose tokens the device remembers
inline std::optional<cuda::choice_rule> choice_of(sample_request const& ask, slot_id slot, std::int64_t vocabulary) {
  bool const adjusts = ask.how.penalised() || !ask.forbidden.empty();
  if (ask.forbidden.size() > cuda::most_forbidden || vocabulary > cuda::most_vocabulary) return std::nullopt;
  if (adjusts && ask.logprobs >= 0) return std::nullopt;
  cuda::choice_rule rule;
  rule.slot = slot;
  rule.logprobs = ask.logprobs;
  if (ask.how.penalised()) {
    rule.repetition = static_cast<float>(ask.how.repetition_penalty);
    rule.frequency = ask.how.frequency_penalty;
    rule.presence = ask.how.presence_penalty;
    rule.history = static_cast<std::int32_t>(ask.history.size());
    rule.prompt = static_cast<std::int32_t>(std::min<std::int64_t>(ask.prompt_tokens, rule.history));
  }
  rule.forbidden_count = static_cast<std::int32_t>(ask.forbidden.size());
  std::copy(ask.forbidden.begin(), ask.forbidden.end(), rule.forbidden);
  if (ask.how.greedy()) return rule;
  rule.scale = cuda::scale_of(ask.how.temperature);
  rule.top_p = ask.how.top_p;
  rule.top_k = static_cast<std::int32_t>(std::min<std::int64_t>(ask.how.top_k, std::numeric_limits<std::int32_t>::max()));
  rule.least_weight = cuda::least_weight_of(ask.how.min_p);
  rule.draw = random_draw(ask.random_stream, ask.position);
  return rule;
}

}  // namespace gpuplace::torch_detail
