#pragma once
/// @file
/// Time comes from an argument: a machine's clock, or a simulation's.

#include <gpuplace/core/units.hpp>

#include <chrono>
#include <functional>

namespace gpuplace {

/// The time since some origin. May be called from any thread.
using clock_function = std::function<seconds()>;

/// The machine's own time, which never goes back.
inline seconds steady_seconds() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace gpuplace
