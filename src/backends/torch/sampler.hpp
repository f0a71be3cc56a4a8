#pragma once
/// @file
/// Chooses a token from one row of logits on the host.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace gpuplace::torch_detail {

/// The token with the largest logit, the first among equals, or one drawn by temperature, top-k and top-p in that order.
/// The draw depends on `stream`, `position` and the logits alone. Nothing where a logit is NaN or none is finite.
/// Complexity: O(vocabulary); with top-p also O(kept log vocabulary)
std::optional<token_id> sample_token(std::span<float const> logits, sampling const& how, std::uint64_t stream, std::int64_t position);

}  // namespace gpuplace::torch_detail
