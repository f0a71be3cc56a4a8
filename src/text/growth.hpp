#pragma once
/// @file
/// A limit on what the replacements of a file may make of a text: steps that each double it would fill the memory.

#include <gpuplace/core/result.hpp>

#include <cstddef>

namespace gpuplace::text {

/// Throws `failure` where a text of `from` bytes has become one of more than 64 MiB and four times its size.
inline void limit_growth(std::size_t from, std::size_t to) {
  constexpr std::size_t always_allowed = std::size_t{64} << 20;
  if (to > always_allowed && to / 4 > from)
    throw failure(
        error{errc::invalid_argument, "its replacements make a text longer than 64 MiB and four times its size", "tokenizer.json"});
}

}  // namespace gpuplace::text
