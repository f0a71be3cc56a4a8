#pragma once
/// @file
/// Umbrella of core/: quantities, errors and names that every room uses.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/edit_distance.hpp>
#include <gpuplace/core/error.hpp>
#include <gpuplace/core/named.hpp>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>
