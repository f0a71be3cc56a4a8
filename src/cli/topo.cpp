// gpuplace topo: what is in a machine, and how it is linked.

#include "command.hpp"
#include "probe/probe.hpp"

#include <gpuplace/placement/page_facts.hpp>
#include <gpuplace/plan/html.hpp>
#include <gpuplace/topology/dot.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/print.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <fstream>
#include <memory>
#include <utility>

namespace gpuplace::cli {

namespace {

struct topo_options {
  std::string topology = "live";
  std::string format = "text";
  bool all_paths = false;
  bool probe = false;
  std::string output;  // a file for the JSON, beside what is printed
};

/// The machine as a plan of nothing, for the page that plans are drawn on.
plan empty_plan(topology::graph const& seen) {
  plan machine;
  for (auto const& d : seen.devices())
    machine.devices.push_back({.id = d.id,
                               .name = d.name,
                               .uuid = d.uuid,
                               .pci = d.pci,
                               .physical_index = d.physical_index,
                               .capacity_bytes = d.capacity,
                               .used_bytes = d.free ? d.capacity - *d.free : bytes{}});
  machine.notes = seen.notes;
  return machine;
}

result<void> refuse_nothing(topology::graph const& seen, std::string const& topology) {
  if (!seen.devices().empty()) return {};
  return error{errc::not_found, "no device is visible", topology, "check CUDA_VISIBLE_DEVICES, or name another --topology"};
}

std::string json_of(topology::graph const& seen, topo_options const& options) {
  return topology::to_json(seen, options.all_paths ? topology::json_form::paths : topology::json_form::automatic).dump(2) + '\n';
}

result<void> write_json(topology::graph const& seen, topo_options const& options) {
  std::ofstream file(options.output);
  if (file << json_of(seen, options) << std::flush) return {};
  return error{errc::unreadable, "the file cannot be written", options.output, "check its folder and permissions"};
}

// Puts measured rates in the place of assumed ones. The text of both.
result<std::string> put_measured(topology::graph& seen, topo_options const& options) {
  GPUPLACE_CHECK(refuse_nothing(seen, options.topology));
  GPUPLACE_TRY(auto const found, probe(seen, options.topology));
  auto text = '\n' + topology::to_comparison(seen, found);
  seen = topology::with_rates(seen, found);
  return text;
}

result<void> print_topology(topo_options const& options) {
  GPUPLACE_TRY(auto read, topology::read(options.topology));
  GPUPLACE_TRY(auto seen, topology::visible_graph(std::move(read), topology::this_environment()));
  std::string comparison;
  if (options.probe) {
    GPUPLACE_TRY(comparison, put_measured(seen, options));
  }
  if (!options.output.empty()) {
    GPUPLACE_CHECK(write_json(seen, options));
  }
  if (options.format == "dot") {
    fmt::print("{}", topology::to_dot(seen));
  } else if (options.format == "json") {
    fmt::print("{}", json_of(seen, options));
  } else if (options.format == "html") {
    GPUPLACE_CHECK(refuse_nothing(seen, options.topology));
    auto const machine = empty_plan(seen);
    fmt::print("{}", to_html(machine, {.machine = machine_of(machine, topology::all_devices(seen), seen)}));
  } else {
    GPUPLACE_CHECK(refuse_nothing(seen, options.topology));
    auto const notes = seen.notes;
    fmt::print("{}", topology::to_table(topology::all_devices(std::move(seen))));
    for (auto const& note : notes) fmt::print("note: {}\n", note);
    fmt::print("{}", comparison);
    if (options.probe && options.output.empty()) fmt::print("note: --output FILE keeps these figures; plan with --topology FILE\n");
  }
  return {};
}

}  // namespace

void add_topo(CLI::App& app, action& chosen) {
  auto options = std::make_shared<topo_options>();
  auto* const command = app.add_subcommand("topo", "Show devices and the paths between them");
  command->footer(
      "Examples:\n"
      "  gpuplace topo\n"
      "  gpuplace topo --topology preset:dgx-h100\n"
      "  gpuplace topo --probe --output machine.json; gpuplace plan --model M --topology machine.json\n"
      "  nvidia-smi topo -m > machine.txt; gpuplace topo --topology machine.txt@h100\n"
      "  echo 'node[0-99] preset:dgx-h100' > fleet.hosts; gpuplace topo --topology fleet.hosts\n"
      "  gpuplace topo --topology preset:dgx1-v100 --format dot | dot -Tsvg > machine.svg\n"
      "  gpuplace topo --topology preset:dgx-h100 --format html > machine.html\n"
      "CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER hide and renumber devices as CUDA does.");
  command->add_option("--topology", options->topology, std::string(topology::source_forms))
      ->type_name("SRC")
      ->capture_default_str();
  command->add_option("--format", options->format, "text, json, dot (Graphviz) or html (a page with a drawing)")
      ->check(CLI::IsMember({"text", "json", "dot", "html"}))
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--paths", [options](std::string const& which) { options->all_paths = which == "all"; },
          "all: every ordered pair in the JSON, also above 256 devices")
      ->check(CLI::IsMember({"all"}));
  command->add_flag("--probe", options->probe,
                    "Measure this machine: memory, products, host links and every two GPUs, in place of data sheets' figures");
  command->add_option("--output", options->output, "Write the JSON to this file too")->type_name("FILE");
  command->callback([options, &chosen] { chosen = [options] { return finish(print_topology(*options)); }; });
}

}  // namespace gpuplace::cli
