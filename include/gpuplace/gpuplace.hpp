#pragma once
/// @file
/// Umbrella of all that decides and nothing that runs, up to placement/ and routing/: topologies, models, plans, strategies,
/// place and explain. What reads machines and files is left out, since it doubles the time to compile; include where it is used
///   gpuplace/topology/read.hpp        topology files of every kind; live.hpp and dot.hpp beside it
///   gpuplace/model/model_path.hpp     models by folder, file or preset
///   gpuplace/plan/json.hpp            stored plans
///   gpuplace/plan/device_map.hpp      device maps of Hugging Face
///   gpuplace/placement/limits.hpp     max_memory
/// or the umbrella of the whole room. For running include runtime.hpp, for serving serving.hpp, for simulating
/// simulation.hpp, for choices by name plugin.hpp.

#include <gpuplace/core.hpp>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/explain.hpp>
#include <gpuplace/placement/nearest.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/dot.hpp>
#include <gpuplace/plan/hash.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/plan/usage.hpp>
#include <gpuplace/routing.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/visible.hpp>
