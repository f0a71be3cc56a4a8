#pragma once
/// @file
/// Umbrella of runtime/: carries plans out.

#include <gpuplace/runtime/admission.hpp>
#include <gpuplace/runtime/async_generate.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/clock.hpp>
#include <gpuplace/runtime/deployment.hpp>
#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/fleet.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/runtime/kv_pages.hpp>
#include <gpuplace/runtime/limits_of_plan.hpp>
#include <gpuplace/runtime/random_stream.hpp>
#include <gpuplace/runtime/scheduler.hpp>
#include <gpuplace/runtime/step_executor.hpp>
#include <gpuplace/runtime/transport.hpp>
#include <gpuplace/runtime/world.hpp>
