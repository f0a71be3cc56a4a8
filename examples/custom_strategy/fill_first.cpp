// Makes the partition fill_first known to a program that is already built:
//   gpuplace plan --plugin libfill_first.so --partition fill_first --model preset:qwen2.5-14b --topology uniform:4x16GiB
// Build it with the compiler and Boost of that program: add_library(fill_first MODULE fill_first.cpp), linked to gpuplace::core.
#include "fill_first.hpp"

#include <gpuplace/plugin.hpp>

static gpuplace::result<void> add_strategies(gpuplace::registries& to) {
  return to.partitions.add<fill_first>("whole units on each device in turn until it is full");
}

extern "C" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_strategies>(); }
