#pragma once
/// @file
/// What a batch must hold to, and what it asks to be sampled, whatever device runs it.

#include "sampler.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <cstdint>

namespace gpuplace::torch_detail {

/// Errors:     errc::invalid_argument for a batch that breaks the limits or the vocabulary, naming its row
result<void> check_batch(batch const& work, executor_limits const& limits, std::int64_t vocabulary);

/// The token to choose after number i of a row's tokens.
sample_request request_of(batch_row const& row, std::int64_t i);

}  // namespace gpuplace::torch_detail
