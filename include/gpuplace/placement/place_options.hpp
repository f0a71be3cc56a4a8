#pragma once
/// @file
/// What planning is told beside the workload and the view.

#include <gpuplace/plan/memory_profile.hpp>

namespace gpuplace {

/// Settings of `place()`.
struct place_options {
  memory_profile memory;  ///< what the backend that will run the plan needs for itself
};

}  // namespace gpuplace
