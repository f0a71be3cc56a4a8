#pragma once
/// @file
/// The numbers that sampling draws: a function of request and position, never of placement.

#include <gpuplace/runtime/generation.hpp>

#include <cstddef>
#include <cstdint>

namespace gpuplace {

/// Spreads the bits of `x` over the whole word.
/// Source:     the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// The stream of one sample of the request at `index` of its batch, see batch_row::random_stream.
constexpr std::uint64_t random_stream(sampling const& how, std::size_t index, std::size_t sample = 0) {
  auto const first = mix_bits(mix_bits(how.seed) ^ index);
  return sample == 0 ? first : mix_bits(first ^ mix_bits(sample));
}

/// The draw for the token at `position`, uniform in all its bits.
constexpr std::uint64_t random_draw(std::uint64_t stream, std::int64_t position) {
  return mix_bits(stream ^ mix_bits(static_cast<std::uint64_t>(position)));
}

}  // namespace gpuplace
