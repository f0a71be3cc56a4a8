#pragma once
/// @file
/// Tests on a GPU are skipped, visibly, where there is none.

#include "runtime.hpp"

#define GPUPLACE_NEEDS_GPU() \
  if (gpuplace::cuda::device_count() == 0) GTEST_SKIP() << "no GPU"
