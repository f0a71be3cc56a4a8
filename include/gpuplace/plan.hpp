#pragma once
/// @file
/// Plans as plain data: stored, printed, drawn, handed to transformers. All of plan/.

#include <gpuplace/plan/device_map.hpp>
#include <gpuplace/plan/dot.hpp>
#include <gpuplace/plan/hash.hpp>
#include <gpuplace/plan/json.hpp>
#include <gpuplace/plan/labels.hpp>
#include <gpuplace/plan/memory_profile.hpp>
#include <gpuplace/plan/module_map.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plan/python_literal.hpp>
#include <gpuplace/plan/read_device_map.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/plan/usage.hpp>
