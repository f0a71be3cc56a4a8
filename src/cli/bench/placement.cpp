// gpuplace bench placement: what strategies plan for one workload, and how long they take.

#include "../comparison.hpp"
#include "bench.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::cli {

namespace {

struct placement_options {
  planning_options planning;
  std::vector<std::string> strategies;
  std::string format = "text";
};

result<void> bench_placement(placement_options const& options) {
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning));
  auto const& known = *options.planning.known;
  auto pairings = all_pairings(known);
  if (!options.strategies.empty()) {
    pairings.clear();
    for (auto const& text : options.strategies) {
      GPUPLACE_TRY(auto one, parse_pairing(text, options.planning));
      pairings.push_back(std::move(one));
    }
  }
  constexpr int times = 20;  // the best of several: what the machine does besides is not the planner's
  GPUPLACE_TRY(auto const rows, compare_placements(std::move(pairings), known, on, work, times));
  if (options.format == "json") print_placements_json(options.planning, rows);
  else print_placements(rows);
  return {};
}

}  // namespace

void add_bench_placement(CLI::App& bench, action& chosen) {
  auto options = std::make_shared<placement_options>();
  auto* const command =
      bench.add_subcommand("placement", "What strategies plan for one workload, the best first, and how long they take");
  command->footer(
      "Examples:\n"
      "  gpuplace bench placement --model preset:qwen2.5-72b --topology preset:dgx-h100\n"
      "  gpuplace bench placement --strategy 'data_parallel(2)/even' --strategy 'data_parallel(4)/even' --model preset:qwen2.5-32b "
      "--topology preset:dgx-h100\n"
      "Without --strategy every registered pair that needs no arguments takes part. Figures are the cost model's.");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  for (auto const* const said_by_strategies : {"--device-map", "--reorder"})
    command->remove_option(command->get_option(said_by_strategies));
  command->add_option("--strategy", options->strategies, "ALLOCATION/PARTITION, or one of them; may be given several times")
      ->type_name("SPEC");
  command->add_option("--format", options->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return finish(bench_placement(*options)); }; });
}

}  // namespace gpuplace::cli
