#pragma once
// The parts of gpuplace bench.

#include "../command.hpp"

namespace gpuplace::cli {

void add_bench_scaling(CLI::App& bench, action& chosen);
void add_bench_placement(CLI::App& bench, action& chosen);
void add_bench_routing(CLI::App& bench, action& chosen);

}  // namespace gpuplace::cli
