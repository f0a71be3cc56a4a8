// gpuplace topo: what is in a machine, and how it is linked.

#include "command.hpp"

#include <gpuplace/topology/dot.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/print.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <memory>
#include <utility>

namespace gpuplace::cli {

namespace {

struct topo_options {
  std::string topology = "live";
  std::string format = "text";
  bool all_paths = false;
};

result<void> print_topology(topo_options const& options) {
  GPUPLACE_TRY(auto read, topology::read(options.topology));
  GPUPLACE_TRY(auto seen, topology::visible_graph(std::move(read), topology::this_environment()));
  if (options.format == "dot") {
    fmt::print("{}", topology::to_dot(seen));
  } else if (options.format == "json") {
    auto const form = options.all_paths ? topology::json_form::paths : topology::json_form::automatic;
    fmt::print("{}\n", topology::to_json(seen, form).dump(2));
  } else {
    if (seen.devices().empty())
      return error{errc::not_found, "no device is visible", options.topology,
                   "check CUDA_VISIBLE_DEVICES, or name another --topology"};
    auto const notes = seen.notes;
    fmt::print("{}", topology::to_table(topology::all_devices(std::move(seen))));
    for (auto const& note : notes) fmt::print("note: {}\n", note);
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
      "  nvidia-smi topo -m > machine.txt; gpuplace topo --topology machine.txt@h100\n"
      "  echo 'node[0-99] preset:dgx-h100' > fleet.hosts; gpuplace topo --topology fleet.hosts\n"
      "  gpuplace topo --topology preset:dgx1-v100 --format dot | dot -Tsvg > machine.svg\n"
      "CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER hide and renumber devices as CUDA does.");
  command->add_option("--topology", options->topology, std::string(topology::source_forms))
      ->type_name("SRC")
      ->capture_default_str();
  command->add_option("--format", options->format, "text, json or dot")
      ->check(CLI::IsMember({"text", "json", "dot"}))
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--paths", [options](std::string const& which) { options->all_paths = which == "all"; },
          "all: every ordered pair in the JSON, also above 256 devices")
      ->check(CLI::IsMember({"all"}));
  command->callback([options, &chosen] { chosen = [options] { return finish(print_topology(*options)); }; });
}

}  // namespace gpuplace::cli
