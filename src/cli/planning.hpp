#pragma once
// The planning options of the command line and what they make: view, workload, strategies, plan.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/placement/place_options.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plugin/registries.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}
namespace gpuplace::topology {
class graph;
}

namespace gpuplace::cli {

struct planning_options {
  std::shared_ptr<registries> known = std::make_shared<registries>();  // strategies by name, those of --plugin among them
  std::vector<std::string> models;
  std::string topology = "live";
  std::string allocation = "auto";
  std::string partition = "auto";
  std::optional<std::string> device_map;  // in place of --partition
  std::optional<std::string> max_memory;
  std::optional<double> memory_part;  // of each device's whole memory
  std::optional<std::string> type;
  std::optional<std::int64_t> context;
  std::optional<std::int64_t> sequences;
  bool weights_only = false;
  bool reorder = false;  // of the devices, by a partition that can
};

// Adds the options to a subcommand.
void add_planning_options(CLI::App& command, planning_options& options);

// The topology that --topology names, as the environment lets a program see it, under the limits of --max-memory. Refuses a
// --device-map that names a device which these limits exclude.
struct machine {
  device_group all;   // every visible device
  device_group view;  // those that planning may use
  std::vector<std::string> notes;
};
result<machine> open_machine(planning_options const& options);
result<machine> open_machine(planning_options const& options, topology::graph visible);

// The topology alone.
result<topology::graph> open_graph(planning_options const& options);

// The models with their demand. `sequences` is taken where the command line names none. @param requests  expected; 0: unknown
result<workload> open_workload(planning_options const& options, std::int64_t sequences = 1, std::int64_t requests = 0);

// A --device-map says where one replica goes: it stands for --partition, and for one_group where no allocation is named.
result<any_allocation> open_allocation(planning_options const& options);
result<any_partition> open_partition(planning_options const& options);

// The plan of `work` on `on`, with every visible device in it.
result<plan> make_plan(machine const& on, workload const& work, any_allocation const& allocation, any_partition const& partition,
                       place_options const& settings = {});

}  // namespace gpuplace::cli
