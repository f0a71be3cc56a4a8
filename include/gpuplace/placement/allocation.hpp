#pragma once
/// @file
/// The allocation strategies that come with gpuplace, but for `lora_groups`, which has a header of its own.

#include <gpuplace/placement/allocation/auto_allocation.hpp>
#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/allocation/ratio.hpp>
#include <gpuplace/placement/allocation/same.hpp>
#include <gpuplace/placement/allocation/separate.hpp>
