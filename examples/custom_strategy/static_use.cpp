// The same strategies in a program that is compiled with them: no plugin, no registry, no virtual call.
// Prints the plan of a 14-billion-parameter model on four devices of 16 GiB, and where prompts of several lengths go.
#include "fill_first.hpp"
#include "long_apart.hpp"

#include <gpuplace/gpuplace.hpp>

#include <array>
#include <iostream>

using namespace gpuplace::literals;

int main() {
  // machine and workload
  auto const machine = gpuplace::uniform_group(4, 16_GiB, {});
  auto const config = gpuplace::preset_config("qwen2.5-14b");
  if (!config) return std::cerr << config.error() << '\n', 1;
  gpuplace::workload work;
  work.models.push_back(
      {.role = "model", .model = describe(*config, gpuplace::dtype::bf16, "qwen2.5-14b", "preset:qwen2.5-14b"), .load = {}});

  // strategy
  auto const plan = gpuplace::place(machine, work, gpuplace::one_group{}, fill_first{});
  if (!plan) return std::cerr << plan.error() << '\n', 1;

  // report
  for (auto const& stage : plan->models.front().replicas.front().stages)
    std::cout << to_string(stage.device) << ": " << stage.units.size() << " units, " << stage.units.front() << " to "
              << stage.units.back() << '\n';
  std::array<gpuplace::instance_load, 3> const idle{};
  for (std::size_t const length : {12, 40, 9000, 300})
    std::cout << "a prompt of " << length << " tokens goes to instance "
              << long_apart{2048}.route({.index = length, .prompt_tokens = length}, gpuplace::fleet_view(idle)).instance() << '\n';
}
