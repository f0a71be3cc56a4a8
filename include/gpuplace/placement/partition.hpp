#pragma once
/// @file
/// All partition strategies that come with gpuplace.

#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition/whole.hpp>
