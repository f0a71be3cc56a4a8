#pragma once
/// @file
/// Umbrella of plugin/: strategies and backends chosen by name while a program runs.
/// The loader, which a plugin does not need, is in a header of its own: plugin/load_plugin.hpp.

#include <gpuplace/plugin/abi_tag.hpp>
#include <gpuplace/plugin/any_allocation.hpp>
#include <gpuplace/plugin/any_backend.hpp>
#include <gpuplace/plugin/any_partition.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/plugin/builtin.hpp>
#include <gpuplace/plugin/plugin_entry.hpp>
#include <gpuplace/plugin/registries.hpp>
#include <gpuplace/plugin/registry.hpp>
#include <gpuplace/plugin/spec.hpp>
