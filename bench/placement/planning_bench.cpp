// How long place() takes for every model preset on every topology preset with every strategy; the limit is 1 ms.
//   planning_bench                         each model with the default strategies on each machine, then the worst of all
//   planning_bench --benchmark_format=json
// `everything` plans each combination of model, machine, allocation and partition and reports the slowest as counters, with its
// name. The first plan on a machine finds the paths between its devices, so that it is timed with a fresh view too (`first plan`).

#include <gpuplace/gpuplace.hpp>
#include <gpuplace/plan/read_device_map.hpp>
#include <gpuplace/plugin/builtin.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace gpuplace;

std::vector<std::string> machines() {
  std::vector<std::string> names{"dgx-h100", "dgx-h200", "dgx-b200", "dgx-a100", "dgx1-v100"};
  for (auto const* counted :
       {"1xh100", "2xh100", "1xh200", "2xh200", "4xa100", "8xrtx3060", "4xl40s", "8xl4", "2xrtx4090", "4xv100", "16xa100"})
    names.emplace_back(counted);
  return names;
}

workload work_for(std::string const& name, dtype type) {
  model_demand one{
      .role = "model", .model = describe(preset_config(name).value(), type, name, "preset:" + name), .load = {.type = type}};
  return {.models = {std::move(one)}};
}

device_group view_of(std::string const& name) { return topology::visible(topology::preset(name).value(), {}).value(); }

std::vector<std::string> const allocations{"auto", "one_group", "data_parallel", "data_parallel(2)", "same", "separate"};
std::vector<std::string> const partitions{"auto", "whole", "even", "sequential", R"(manual("{'': 0}"))"};

struct strategies {
  std::vector<any_allocation> allocations;
  std::vector<any_partition> partitions;
};

strategies const& all_strategies() {
  static auto const made = [] {
    strategies s;
    for (auto const& a : ::allocations) s.allocations.push_back(builtin_allocations().make(a).value());
    for (auto const& p : ::partitions) s.partitions.push_back(builtin_partitions().make(p).value());
    return s;
  }();
  return made;
}

// Processor time of one plan, the best of three: other work on the machine only ever adds.
double milliseconds(device_group const& view, workload const& work, any_allocation const& a, any_partition const& p, bool& fits) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    auto const start = std::clock();
    auto const made = place(view, work, a, p);
    best = std::min(best, 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    fits = made.has_value();
  }
  return best;
}

struct worst_case {
  double milliseconds = 0;
  std::string name;
  void add(double took, std::string what) {
    if (took > milliseconds) milliseconds = took, name = std::move(what);
  }
};

// Every combination once; the slowest plan that was made, and the slowest refusal with its suggestions.
void everything(benchmark::State& state) {
  worst_case made, refused;
  int combinations = 0;
  for ([[maybe_unused]] auto _ : state)
    for (auto const& model : preset_names())
      for (auto const type : {dtype::bf16, dtype::int4}) {
        auto const work = work_for(model, type);
        for (auto const& machine : machines()) {
          auto const view = view_of(machine);
          for (auto const& a : all_strategies().allocations)
            for (auto const& p : all_strategies().partitions) {
              bool fits = false;
              auto const took = milliseconds(view, work, a, p, fits);
              (fits ? made : refused)
                  .add(took, model + ' ' + std::string(to_string(type)) + " on " + machine + ", " + a.label + " x " + p.label);
              ++combinations;
            }
        }
      }
  state.counters["combinations"] = combinations;
  state.counters["worst_plan_ms"] = made.milliseconds;
  state.counters["worst_refusal_ms"] = refused.milliseconds;
  std::cerr << "slowest plan: " << made.milliseconds << " ms, " << made.name << "\nslowest refusal: " << refused.milliseconds
            << " ms, " << refused.name << '\n';
}
BENCHMARK(everything)->Unit(benchmark::kMillisecond)->Iterations(1);

void plan_again(benchmark::State& state, std::string const& model, std::string const& machine) {
  auto const view = view_of(machine);
  auto const work = work_for(model, dtype::bf16);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(place(view, work, auto_allocation{}, auto_partition{}));
}

void first_plan(benchmark::State& state, std::string const& model, std::string const& machine) {
  auto const graph = topology::preset(machine).value();
  auto const work = work_for(model, dtype::bf16);
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    auto const view = topology::visible(graph, {}).value();
    state.ResumeTiming();
    benchmark::DoNotOptimize(place(view, work, auto_allocation{}, auto_partition{}));
  }
}

void target_and_drafter(benchmark::State& state, std::string const& machine) {
  auto const view = view_of(machine);
  auto work = work_for("qwen3-8b", dtype::bf16);
  work.models.push_back(work_for("qwen3-1.7b", dtype::bf16).models.front());
  work.models[0].role = "target";
  work.models[1].role = "drafter";
  work.how = coupling::speculative;
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(place(view, work, auto_allocation{}, auto_partition{}));
}

}  // namespace

int main(int argc, char** argv) {
  for (std::string const machine : {"dgx-h100", "8xrtx3060", "dgx1-v100", "1xh200"})
    for (std::string const model : {"qwen2.5-7b", "qwen2.5-72b", "qwen2.5-vl-72b"}) {
      benchmark::RegisterBenchmark(("plan/" + model + '/' + machine).c_str(), plan_again, model, machine)
          ->Unit(benchmark::kMicrosecond);
      benchmark::RegisterBenchmark(("first plan/" + model + '/' + machine).c_str(), first_plan, model, machine)
          ->Unit(benchmark::kMicrosecond);
    }
  for (std::string const machine : {"dgx-h100", "2xh100", "16xa100"})
    benchmark::RegisterBenchmark(("target and drafter/" + machine).c_str(), target_and_drafter, machine)
        ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
