// The shortest program: a plan for a target model and its drafter on a machine that need not be here.
#include <gpuplace/gpuplace.hpp>

#include <gpuplace/plan/tree.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <iostream>

int main() {
  // [five lines]
  auto const view = gpuplace::topology::visible(gpuplace::topology::preset("dgx-h100").value()).value();
  gpuplace::workload work{.how = gpuplace::coupling::speculative};
  work.models.push_back({.role = "target", .model = gpuplace::open_model("preset:qwen3-8b").value(), .load = {}});
  work.models.push_back({.role = "drafter", .model = gpuplace::open_model("preset:qwen3-1.7b").value(), .load = {}});
  auto const plan = gpuplace::place(view, work, gpuplace::ratio{6, 2}, gpuplace::even{}).value();
  // [five lines]
  std::cout << gpuplace::plan_text(plan);
}
