#include "planning.hpp"
#include "config_file.hpp"
#include "plugins.hpp"

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/limits.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/plan/read_device_map.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <CLI/CLI.hpp>

#include <unordered_map>

namespace gpuplace::cli {

void add_planning_options(CLI::App& command, planning_options& options) {
  add_config_option(command);
  add_plugin_option(command, options.known);
  command
      .add_option("--model", options.models,
                  "A folder with config.json, a config.json, preset:NAME or Org/Name of the Hugging Face cache;\n"
                  "given twice: a target and its drafter")
      ->type_name("M");
  command
      .add_option("--topology", options.topology,
                  "live, a file (nvidia-smi topo -m text, XML of NCCL or hwloc, gpuplace JSON, or a hosts file that joins\n"
                  "machines), preset:NAME, uniform:8x80GiB or cpu:N")
      ->type_name("SRC")
      ->capture_default_str();
  command
      .add_option("--allocation", options.allocation,
                  "Which devices each model gets: auto (the fastest of these), one_group, data_parallel(N,devices=D), ratio(6:2),\n"
                  "separate, same, lora_groups(FILE,instances=N,slots=N)")
      ->type_name("SPEC")
      ->capture_default_str();
  auto* const partition =
      command.add_option("--partition", options.partition,
                         "How a model's units spread over its devices: auto (whole on one, even on several), whole, even,\n"
                         "sequential, balanced, balanced_low_0, optimal(throughput|latency|balance_memory|fewest_devices),\n"
                         "manual(MAP)");
  partition->type_name("SPEC")->capture_default_str();
  command
      .add_option("--device-map", options.device_map,
                  R"(A device_map of Hugging Face, or a file with one: "cuda:0", "0,1", "auto", "balanced_low_0",
{"": [0, 1]}, {"model": 0, "lm_head": 1})")
      ->type_name("MAP")
      ->excludes(partition);
  command
      .add_option("--max-memory", options.max_memory,
                  R"(Limits by device: "75GiB,75GiB" or {"0": "70GiB", "1": "60GiB"}; 0 excludes a device)")
      ->type_name("LIST");
  command
      .add_option("--gpu-memory-utilization", options.memory_part,
                  "Part of each device's memory that may be used, such as 0.9 (default: all that is free)")
      ->check(CLI::Range(0.01, 1.0))
      ->type_name("F");
  command
      .add_option("--dtype", options.type, "Number format of the weights: fp32, bf16, fp16, int8, int4 (default: the checkpoint's)")
      ->type_name("T");
  command.add_option("--batch,--max-num-seqs", options.sequences, "Sequences in flight at once in each replica")->type_name("N");
  command
      .add_option("--context,--max-model-len", options.context,
                  "Tokens a sequence may reach (default: the model's limit, at most 4096)")
      ->type_name("N");
  command.add_flag("--reorder", options.reorder,
                   "Let balanced and balanced_low_0 choose the order of devices; optimal always does");
  command.add_flag("--weights-only", options.weights_only, "Plan as Hugging Face does: without KV cache and workspace");
}

namespace {

// A device that the map names and --max-memory leaves out is a contradiction, not a position to count from.
result<void> check_named_devices(module_map const& map, machine const& on) {
  for (auto const& entry : map.modules)
    for (auto const& d : entry.devices)
      if (d.how != mapped_device::form::cpu && on.all.find(d.id) && !on.view.find(d.id))
        return error{errc::invalid_argument, "'" + entry.module + "' is on " + to_string(d.id) + ", which --max-memory leaves out",
                     "--device-map", "give the device a limit above 0, or name another"};
  return {};
}

// As vLLM means it: a part of the device's whole memory, of which others may use some.
device_group part_of(device_group const& view, double part) {
  std::vector<bytes> limits;
  for (std::size_t d = 0; d < view.size(); ++d)
    limits.push_back(
        std::min(view.capacity(d), bytes{static_cast<std::int64_t>(part * static_cast<double>(view[d].capacity.count()))}));
  return view.with_limits(limits);
}

}  // namespace

result<topology::graph> open_graph(planning_options const& options) {
  GPUPLACE_TRY(auto graph, topology::read(options.topology));
  return topology::visible_graph(std::move(graph), topology::this_environment());
}

result<machine> open_machine(planning_options const& options) {
  GPUPLACE_TRY(auto visible, open_graph(options));
  return open_machine(options, std::move(visible));
}

result<machine> open_machine(planning_options const& options, topology::graph visible) {
  auto const all = topology::all_devices(std::move(visible));
  if (all.empty())
    return error{errc::not_found, "no device is visible", options.topology,
                 "check CUDA_VISIBLE_DEVICES, or name another --topology"};
  machine made{.all = all, .view = all, .notes = {}};
  if (options.max_memory) {
    GPUPLACE_TRY(auto const limits, parse_memory_limits(*options.max_memory));
    GPUPLACE_TRY(auto limited, apply(limits, all));
    made.view = std::move(limited.view);
    made.notes = std::move(limited.notes);
  }
  if (options.memory_part) made.view = part_of(made.view, *options.memory_part);
  if (options.device_map) {
    GPUPLACE_TRY(auto const map, read_device_map(*options.device_map));
    GPUPLACE_CHECK(check_named_devices(map, made));
  }
  return made;
}

namespace {

// Two models are a target and its drafter; the order on the command line says which.
std::string role_of(std::size_t position, std::size_t count) {
  if (count == 1) return "model";
  if (count == 2) return position == 0 ? "target" : "drafter";
  return "model " + std::to_string(position);
}

constexpr std::int64_t default_context = 4096;

}  // namespace

result<workload> open_workload(planning_options const& options, std::int64_t sequences, std::int64_t requests) {
  if (options.models.empty())
    return error{errc::invalid_argument, "no model is named", "--model", "name a folder, a config.json or preset:NAME"};
  std::optional<dtype> type;
  if (options.type) {
    GPUPLACE_TRY(type, parse_dtype(*options.type));
  }
  workload work{.models = {}, .how = options.models.size() == 2 ? coupling::speculative : coupling::independent};
  for (std::size_t m = 0; m < options.models.size(); ++m) {
    GPUPLACE_TRY(auto model, open_model(options.models[m], type));
    auto const limit = model.config.max_positions > 0 ? model.config.max_positions : default_context;
    demand const load{.type = model.type,
                      .context = options.context.value_or(std::min(limit, default_context)),
                      .sequences = options.sequences.value_or(sequences),
                      .requests = requests,
                      .weights_only = options.weights_only};
    work.models.push_back({.role = role_of(m, options.models.size()), .model = std::move(model), .load = load});
  }
  return work;
}

result<any_allocation> open_allocation(planning_options const& options) {
  bool const by_map = options.device_map && options.allocation == "auto";
  return options.known->allocations.make(by_map ? std::string(one_group::name) : options.allocation);
}

namespace {

// The spec with the order left to the strategy.
result<std::string> reordered(std::string const& spec) {
  if (spec == balanced::name || spec == balanced_low_0::name) return spec + "(reorder)";
  if (spec.starts_with(optimal<>::name) || spec.ends_with("(reorder)")) return spec;
  return error{errc::invalid_argument, "the partition " + spec + " keeps the order of devices", "--reorder",
               "use it with --partition balanced or balanced_low_0; optimal chooses the order anyway"};
}

result<any_partition> partition_called(planning_options const& options, std::string const& spec) {
  if (!options.reorder) return options.known->partitions.make(spec);
  GPUPLACE_TRY(auto const free, reordered(spec));
  return options.known->partitions.make(free);
}

}  // namespace

result<any_partition> open_partition(planning_options const& options) {
  if (!options.device_map) return partition_called(options, options.partition);
  GPUPLACE_TRY(auto map, read_device_map(*options.device_map));
  if (!map.partition.empty()) return partition_called(options, map.partition);
  if (options.reorder) return reordered(std::string(manual::name)).error();
  return any_partition(manual{std::move(map)});
}

result<plan> make_plan(machine const& on, workload const& work, any_allocation const& allocation, any_partition const& partition,
                       place_options const& settings) {
  GPUPLACE_TRY(auto made, place(on.view, work, allocation, partition, settings));
  // Excluded devices are part of the machine too: they are listed idle, with a limit of zero.
  std::unordered_map<device_id, planned_device*> planned;
  for (auto& d : made.devices) planned.emplace(d.id, &d);
  std::vector<planned_device> listed;
  for (std::size_t d = 0; d < on.all.size(); ++d) {
    auto const& device = on.all[d];
    if (auto const at = planned.find(device.id); at != planned.end())
      listed.push_back(std::move(*at->second));
    else
      listed.push_back({.id = device.id,
                        .name = device.name,
                        .uuid = device.uuid,
                        .pci = device.pci,
                        .physical_index = device.physical_index,
                        .capacity_bytes = {},
                        .used_bytes = {},
                        .extra = {}});
  }
  made.devices = std::move(listed);
  made.notes.insert(made.notes.begin(), on.notes.begin(), on.notes.end());
  return made;
}

}  // namespace gpuplace::cli
