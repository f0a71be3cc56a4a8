#pragma once
/// @file
/// All partition strategies that come with gpuplace.

#include <gpuplace/placement/partition/auto_partition.hpp>
#include <gpuplace/placement/partition/balanced.hpp>
#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition/manual.hpp>
#include <gpuplace/placement/partition/optimal.hpp>
#include <gpuplace/placement/partition/sequential.hpp>
#include <gpuplace/placement/partition/whole.hpp>
