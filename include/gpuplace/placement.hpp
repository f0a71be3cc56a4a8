#pragma once
/// @file
/// Umbrella of placement/: the concepts and strategies of allocation and partition, the cost model, and place.

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/cost_model.hpp>
#include <gpuplace/placement/explain.hpp>
#include <gpuplace/placement/limits.hpp>
#include <gpuplace/placement/nearest.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/placement/place_options.hpp>
#include <gpuplace/placement/replica_cost.hpp>
#include <gpuplace/placement/resolve_devices.hpp>
#include <gpuplace/placement/stage_memory.hpp>
#include <gpuplace/placement/validate.hpp>
