#pragma once
/// @file
/// Umbrella of routing/: which instance takes a request.

#include <gpuplace/routing/available.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/routing/decision.hpp>
#include <gpuplace/routing/fleet_view.hpp>
#include <gpuplace/routing/least_loaded.hpp>
#include <gpuplace/routing/round_robin.hpp>
#include <gpuplace/routing/routing_strategy.hpp>
