#include "bench.hpp"

#include <CLI/CLI.hpp>

namespace gpuplace::cli {

void add_bench(CLI::App& app, action& chosen) {
  auto* const command = app.add_subcommand("bench", "Compare strategies, and see how speed grows with devices");
  command->require_subcommand(1);
  add_bench_scaling(*command, chosen);
  add_bench_placement(*command, chosen);
  add_bench_routing(*command, chosen);
}

}  // namespace gpuplace::cli
