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

inline result<void> check_sampling(sampling const& how) {
  auto const refuse = [](std::string what, std::string remedy) {
    return error{errc::invalid_argument, std::move(what), "sampling", std::move(remedy)};
  };
  if (!std::isfinite(how.temperature) || how.temperature < 0)
    return refuse("the temperature is " + std::to_string(how.temperature),
                  "0 takes the most likely token, larger numbers vary more");
  if (!(how.top_p > 0 && how.top_p <= 1))
    return refuse("top_p is " + std::to_string(how.top_p), "it lies above 0 and is at most 1");
  if (how.top_k < 0) return refuse("top_k is " + std::to_string(how.top_k), "0 considers all tokens");
  return {};
}

}  // namespace detail

/// Can an executor with `limits` ever run `request`?
/// Errors:     errc::invalid_argument for a request that makes no sense, errc::does_not_fit with the numbers
inline result<void> check_request(generation_request const& request, executor_limits const& limits) {
  std::string const where = "request " + std::to_string(request.index);
  auto const prompt = static_cast<std::int64_t>(request.prompt.size());
  if (prompt == 0) return error{errc::invalid_argument, "the prompt has no tokens", where, "a prompt needs at least one token"};
  if (request.max_tokens < 1)
    return error{errc::invalid_argument, "max_tokens is " + std::to_string(request.max_tokens), where,
                 "ask for at least one token"};
  if (std::any_of(request.prompt.begin(), request.prompt.end(), [](token_id t) { return t < 0; }))
    return error{errc::invalid_argument, "the prompt has a negative token", where, {}};
  if (!request.adapter.empty())
    return error{errc::unsupported, "adapter '" + request.adapter + "' is not loaded", where,
                 "leave the adapter out to use the base model"};
  GPUPLACE_CHECK(detail::check_sampling(request.how));
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
