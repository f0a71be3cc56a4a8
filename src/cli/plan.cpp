// gpuplace plan: what goes where, before anything is loaded.

#include "command.hpp"
#include "comparison.hpp"
#include "planning.hpp"

#include <gpuplace/placement/page_facts.hpp>
#include <gpuplace/plan/device_map.hpp>
#include <gpuplace/plan/dot.hpp>
#include <gpuplace/plan/html.hpp>
#include <gpuplace/plan/json.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/topology/graph.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::cli {

namespace {

struct plan_options {
  planning_options planning;
  std::string format = "text";
  bool explain = false;
  bool compare = false;
  std::vector<std::string> strategies;  // to compare; none: every partition that needs no arguments
};

std::vector<model_description> models_of(workload const& work) {
  std::vector<model_description> models;
  for (auto const& m : work.models) models.push_back(m.model);
  return models;
}

result<void> print_explanation(plan const& made, machine const& on, workload const& work) {
  GPUPLACE_TRY(auto const text, explain(made, models_of(work), on.view));
  fmt::print("\n{}", text);
  return {};
}

result<void> print_page(plan const& made, machine const& on, workload const& work, topology::graph const& graph) {
  auto shown = made;
  GPUPLACE_TRY(auto const facts, page_facts_of(made, models_of(work), on.view, graph));
  shown.notes.clear();  // the explanation has them
  fmt::print("{}", to_html(shown, facts));
  return {};
}

result<void> print_comparison(plan_options const& options) {
  if (options.format != "text" && options.format != "json")
    return error{errc::unsupported, "a comparison has no format " + options.format, "--compare", "use --format text or json"};
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning));
  auto const& known = *options.planning.known;
  std::vector<pairing> pairings;
  for (auto const& text : options.strategies) {
    GPUPLACE_TRY(auto one, parse_pairing(text, options.planning));
    pairings.push_back(std::move(one));
  }
  if (pairings.empty())
    for (auto const& p : known.partitions.entries())
      if (known.partitions.make(p.name)) pairings.push_back({options.planning.allocation, p.name});
  GPUPLACE_TRY(auto const rows, compare_placements(std::move(pairings), known, on, work, 1));
  if (options.format == "json") print_placements_json(options.planning, rows);
  else print_placements(rows);
  return {};
}

result<void> print_plan(plan_options const& options) {
  if (options.compare) return print_comparison(options);
  GPUPLACE_TRY(auto graph, open_graph(options.planning));
  bool const page = options.format == "html";
  auto const pictured = page ? graph : topology::graph{};
  GPUPLACE_TRY(auto const on, open_machine(options.planning, std::move(graph)));
  GPUPLACE_TRY(auto const work, open_workload(options.planning));
  GPUPLACE_TRY(auto const allocation, open_allocation(options.planning));
  GPUPLACE_TRY(auto const partition, open_partition(options.planning));
  GPUPLACE_TRY(auto const made, make_plan(on, work, allocation, partition));
  if (options.format == "json") {
    fmt::print("{}", to_json_text(made));
  } else if (options.format == "dot") {
    fmt::print("{}", to_dot(made));
  } else if (options.format == "device-map") {
    GPUPLACE_TRY(auto const modules, to_device_map(made));
    fmt::print("{}\n", modules.dump(2));
  } else if (page) {
    return print_page(made, on, work, pictured);
  } else {
    auto shown = made;
    if (options.explain) shown.notes.clear();  // the explanation has them
    fmt::print("{}", plan_text(shown));
    if (options.explain) return print_explanation(made, on, work);
  }
  return {};
}

}  // namespace

void add_plan(CLI::App& app, action& chosen) {
  auto options = std::make_shared<plan_options>();
  auto* const command = app.add_subcommand("plan", "Decide where models go, and show it");
  command->footer(
      "Examples:\n"
      "  gpuplace plan --model preset:qwen3-8b --model preset:qwen3-1.7b --topology preset:dgx-h100 --allocation 'ratio(6:2)'\n"
      "  gpuplace plan --model preset:qwen2.5-72b --topology preset:2xh100 --max-memory 75GiB,75GiB --dtype int4\n"
      "  gpuplace plan --model DIR --topology uniform:3x24GiB --format device-map > device_map.json\n"
      "  gpuplace plan --model preset:qwen2.5-72b --topology preset:dgx-h100 --format html > plan.html\n"
      "A plan that does not fit is refused with what would fit (exit code 1).");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  command
      ->add_option("--format", options->format,
                   "text, json, device-map (what transformers loads), dot (Graphviz) or html (a page with a drawing)")
      ->check(CLI::IsMember({"text", "json", "device-map", "dot", "html"}))
      ->capture_default_str();
  command->add_flag("--explain", options->explain, "After the text: stage and hop times, room on each device, what binds first");
  auto* const compare = command->add_flag(
      "--compare", options->compare,
      "Instead of a plan: what strategies give beside each other, the best marked *;\n"
      "every partition that needs no arguments, under --allocation; with an order of its own: --strategy 'balanced(reorder)'");
  for (auto const* const not_compared : {"--explain", "--device-map", "--reorder"})
    compare->excludes(command->get_option(not_compared));
  command->add_option("--strategy", options->strategies, "With --compare: ALLOCATION/PARTITION, or one of them; several times")
      ->type_name("SPEC")
      ->needs(compare);
  command->callback([options, &chosen] { chosen = [options] { return finish(print_plan(*options)); }; });
}

}  // namespace gpuplace::cli
