#pragma once
// Machines and workloads that the placement tests share.

#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/topology/device_group.hpp>

namespace gpuplace::testing {

inline path nvlink() {
  return {.kind = path_kind::nvlink, .nvlinks = 18, .bandwidth = gigabytes_per_second{370}, .latency = microseconds{11.5}};
}

inline device_group gpus(std::size_t count, bytes memory) {
  device model;
  model.name = "test GPU";
  model.capacity = memory;
  model.memory_bandwidth = gigabytes_per_second{3350};
  model.peak_bf16 = teraflops{989};
  model.peak_fp32 = teraflops{67};
  model.launch_cost = microseconds{2};
  return uniform_group(count, model, nvlink());
}

// A Qwen3-like model of so many layers, as the documents' pictures have it.
inline model_description small_model(std::int64_t layers, std::int64_t hidden = 1024, bool tied = false) {
  model_config c;
  c.family = architecture::qwen3;
  c.hidden = hidden;
  c.layers = layers;
  c.heads = 16;
  c.kv_heads = 8;
  c.head_dim = 64;
  c.intermediate = 3 * hidden;
  c.vocabulary = 32000;
  c.max_positions = 4096;
  c.tied_embeddings = tied;
  c.qk_norm = true;
  return describe(c, dtype::bf16, "small-" + std::to_string(layers), "test");
}

inline model_description preset(std::string_view name, dtype type = dtype::bf16) {
  return describe(preset_config(name).value(), type, std::string(name), "preset:" + std::string(name));
}

inline workload one(model_description model, demand load = {}) {
  load.type = model.type;
  return {.models = {{.role = "model", .model = std::move(model), .load = load}}};
}

inline workload pair(model_description target, model_description drafter, demand load = {}) {
  return {.models = {{.role = "target", .model = std::move(target), .load = load},
                     {.role = "drafter", .model = std::move(drafter), .load = load}},
          .how = coupling::speculative};
}

// The decoder layers of a span of units.
inline std::vector<std::size_t> layers_of(stages const& spans, model_description const& model) {
  std::vector<std::size_t> counts;
  for (auto const& s : spans) {
    std::size_t n = 0;
    for (std::size_t u = s.first; u < s.last; ++u) n += model.units[u].kind == unit_kind::decoder_layer;
    counts.push_back(n);
  }
  return counts;
}

}  // namespace gpuplace::testing
