#pragma once
/// @file
/// What contract tests are made of. They return results, so that any test framework, or none, can run them.

#include <gpuplace/core/result.hpp>

#include <string>
#include <utility>

namespace gpuplace::testing {

/// A clause of contract `where` that does not hold.
inline error broken(std::string where, std::string what, std::string remedy = {}) {
  return {errc::mismatch, std::move(what), std::move(where), std::move(remedy)};
}

}  // namespace gpuplace::testing
