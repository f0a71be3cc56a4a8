// gpuplace plan: what goes where, before anything is loaded.

#include "command.hpp"
#include "planning.hpp"

#include <gpuplace/placement/explain.hpp>
#include <gpuplace/plan/device_map.hpp>
#include <gpuplace/plan/dot.hpp>
#include <gpuplace/plan/json.hpp>
#include <gpuplace/plan/tree.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <memory>

namespace gpuplace::cli {

namespace {

struct plan_options {
  planning_options planning;
  std::string format = "text";
  bool explain = false;
};

result<void> print_explanation(plan const& made, machine const& on, workload const& work) {
  std::vector<model_description> models;
  for (auto const& m : work.models) models.push_back(m.model);
  GPUPLACE_TRY(auto const text, explain(made, models, on.view));
  fmt::print("\n{}", text);
  return {};
}

result<void> print_plan(plan_options const& options) {
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
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
      "A plan that does not fit is refused with what would fit (exit code 1).");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  command->add_option("--format", options->format, "text, json, device-map (what transformers loads) or dot (Graphviz)")
      ->check(CLI::IsMember({"text", "json", "device-map", "dot"}))
      ->capture_default_str();
  command->add_flag("--explain", options->explain, "After the text: stage and hop times, room on each device, what binds first");
  command->callback([options, &chosen] { chosen = [options] { return finish(print_plan(*options)); }; });
}

}  // namespace gpuplace::cli
