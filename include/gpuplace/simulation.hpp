#pragma once
/// @file
/// Umbrella of simulation/: runs plans without devices, on a virtual clock.

#include <gpuplace/simulation/made_up_tokens.hpp>
#include <gpuplace/simulation/simulated_backend.hpp>
#include <gpuplace/simulation/simulated_executor.hpp>
#include <gpuplace/simulation/step_cost.hpp>
#include <gpuplace/simulation/virtual_clock.hpp>
