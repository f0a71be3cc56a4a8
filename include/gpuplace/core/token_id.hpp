#pragma once
/// @file
/// A token's number in a vocabulary.

#include <cstdint>

namespace gpuplace {

/// Signed as in tensors of token ids; negative values are never tokens.
using token_id = std::int32_t;

}  // namespace gpuplace
