#pragma once
/// @file
/// Requests that an executor can never run are refused when they are submitted, not when they run out of memory.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/kv_pages.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace gpuplace {

/// The most tokens that `request` may reach, prompt included.
inline std::int64_t longest(generation_request const& request, executor_limits const& limits) {
  auto const prompt = static_cast<std::int64_t>(request.prompt.size());
  return request.max_tokens >= limits.context - prompt ? limits.context : prompt + request.max_tokens;
}

namespace detail {

inline error senseless(std::string const& where, std::string const& name, double value, std::string remedy) {
  auto text = std::to_string(value);
  if (text.find('.') != std::string::npos) text.erase(std::max(text.find_last_not_of('0'), text.find('.') + 1) + 1);
  return {errc::invalid_argument, name + " is " + text, where, std::move(remedy)};
}
inline error senseless(std::string const& where, std::string const& name, std::int64_t value, std::string remedy) {
  return {errc::invalid_argument, name + " is " + std::to_string(value), where, std::move(remedy)};
}

inline result<void> check_sampling(sampling const& how, std::string const& where) {
  if (!std::isfinite(how.temperature) || how.temperature < 0)
    return senseless(where, "temperature", how.temperature, "0 takes the most likely token, larger numbers vary more");
  if (!(how.top_p > 0 && how.top_p <= 1))
    return senseless(where, "top_p", how.top_p, "it lies above 0 and is at most 1, which keeps all tokens");
  if (how.top_k < 0) return senseless(where, "top_k", how.top_k, "0 considers all tokens");
  if (!(how.min_p >= 0 && how.min_p <= 1))
    return senseless(where, "min_p", how.min_p, "it lies between 0, which keeps all tokens, and 1");
  if (!std::isfinite(how.repetition_penalty) || how.repetition_penalty <= 0)
    return senseless(where, "repetition_penalty", how.repetition_penalty, "1 changes nothing, larger numbers avoid repetition");
  if (!std::isfinite(how.frequency_penalty))
    return senseless(where, "frequency_penalty", how.frequency_penalty, "0 changes nothing, 2 is much");
  if (!std::isfinite(how.presence_penalty))
    return senseless(where, "presence_penalty", how.presence_penalty, "0 changes nothing, 2 is much");
  return {};
}

inline result<void> check_counts(generation_request const& request, executor_limits const& limits, std::string const& where) {
  if (request.max_tokens < 1) return senseless(where, "max_tokens", request.max_tokens, "ask for at least one token");
  if (request.min_tokens < 0 || request.min_tokens > request.max_tokens)
    return senseless(where, "min_tokens", request.min_tokens,
                     "it lies between 0 and max_tokens, " + std::to_string(request.max_tokens));
  if (request.n < 1) return senseless(where, "n", request.n, "ask for at least one answer");
  if (request.n > limits.slots)
    return senseless(
        where, "n", request.n,
        "the instance runs " + std::to_string(limits.slots) + " sequences at once: ask for as many, or plan with a larger --batch");
  if (request.logprobs && (*request.logprobs < 0 || *request.logprobs > most_logprobs))
    return senseless(where, "logprobs", std::int64_t{*request.logprobs},
                     "0 tells the chosen token's alone, " + std::to_string(most_logprobs) + " alternatives are the most");
  if (request.time_limit && !(*request.time_limit > seconds{0}))
    return senseless(where, "time_limit", request.time_limit->count(), "give it more than 0 s, or none");
  return {};
}

}  // namespace detail

/// Can an executor with `limits` ever run `request`?
/// Errors:     errc::invalid_argument for a request that makes no sense, errc::does_not_fit with the numbers
inline result<void> check_request(generation_request const& request, executor_limits const& limits) {
  std::string const where = "request " + std::to_string(request.index);
  auto const prompt = static_cast<std::int64_t>(request.prompt.size());
  if (prompt == 0) return error{errc::invalid_argument, "the prompt has no tokens", where, "a prompt needs at least one token"};
  GPUPLACE_CHECK(detail::check_counts(request, limits, where));
  if (std::any_of(request.prompt.begin(), request.prompt.end(), [](token_id t) { return t < 0; }))
    return error{errc::invalid_argument, "the prompt has a negative token", where,
                 "token ids are what the tokenizer gives, 0 and up"};
  if (!request.adapter.empty())
    return error{errc::unsupported, "adapter '" + request.adapter + "' is not loaded", where,
                 "leave the adapter out to use the base model"};
  GPUPLACE_CHECK(detail::check_sampling(request.how, where));
  if (prompt + 1 > limits.context)
    return error{errc::does_not_fit,
                 "the prompt has " + std::to_string(prompt) + " tokens, and with one token of answer exceeds the context of " +
                     std::to_string(limits.context),
                 where, "shorten the prompt or plan with --context " + std::to_string(prompt + request.max_tokens)};
  auto const stored = longest(request, limits) - 1;  // the last token is sampled and never enters the cache
  if (auto const pages = pages_for(stored, limits.page_tokens); pages > limits.kv_pages)
    return error{errc::does_not_fit,
                 std::to_string(prompt) + " prompt tokens and up to " + std::to_string(stored + 1 - prompt) + " new ones need " +
                     std::to_string(pages) + " KV pages of " + std::to_string(limits.page_tokens) + " tokens, the pool has " +
                     std::to_string(limits.kv_pages),
                 where, "lower max_tokens, or plan with a smaller --context, or give the KV cache more memory"};
  return {};
}

}  // namespace gpuplace
