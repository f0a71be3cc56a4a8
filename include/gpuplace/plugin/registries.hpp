#pragma once
/// @file
/// One registry of each kind, as a program with plugins passes them around.

#include <gpuplace/plugin/any_backend.hpp>
#include <gpuplace/plugin/builtin.hpp>

namespace gpuplace {

/// All that a command line or file can choose by name. Backends are added by the program that links them.
struct registries {
  registry<any_allocation> allocations = builtin_allocations();
  registry<any_partition> partitions = builtin_partitions();
  registry<any_routing> routings = builtin_routings();
  registry<any_backend> backends{"backend"};
};

}  // namespace gpuplace
