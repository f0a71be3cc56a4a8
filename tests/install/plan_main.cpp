// A service that plans: all it needs are gpuplace's headers. Prints the plan of an 8B model in two copies on eight H100s.
#include <gpuplace/gpuplace.hpp>

#include <iostream>

int main() {
  auto const machine = gpuplace::topology::preset("dgx-h100");
  auto const config = gpuplace::preset_config("qwen3-8b");
  if (!machine || !config) return 1;
  auto const model = gpuplace::describe(*config, gpuplace::dtype::bf16, "qwen3-8b", "preset:qwen3-8b");
  gpuplace::workload const work{.models = {{.role = "model", .model = model, .load = {}}}};
  auto const plan = gpuplace::place(gpuplace::topology::all_devices(*machine), work, gpuplace::data_parallel{2}, gpuplace::even{});
  if (!plan) {
    std::cerr << plan.error() << '\n';
    return 1;
  }
  std::cout << gpuplace::tree_text(*plan);
}
