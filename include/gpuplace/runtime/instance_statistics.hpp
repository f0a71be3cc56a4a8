#pragma once
/// @file
/// What an instance has done since it started.

#include <gpuplace/core/units.hpp>

#include <concepts>
#include <cstdint>

namespace gpuplace {

/// Sums over the steps of one instance.
struct instance_statistics {
  std::int64_t steps = 0;
  std::int64_t rows = 0;    ///< sequences that took part, summed over steps: rows / steps is the mean batch
  std::int64_t tokens = 0;  ///< positions computed, of prompts and of answers
  std::int64_t slots = 0;   ///< most sequences in one step
  seconds busy{0};          ///< how long its devices worked

  friend bool operator==(instance_statistics const&, instance_statistics const&) = default;
};

/// Optional part of a model instance: `i.statistics()`, from any thread. An instance behind a protocol has none.
template <class I>
concept has_statistics = requires(I const& i) {
  { i.statistics() } -> std::same_as<instance_statistics>;
};

}  // namespace gpuplace
