// How planning grows with the number of devices: a 70B model on every host of a fleet, from one host of eight devices to 12,500.
//   scale_bench [--hosts N] [--allocation SPEC]     one line a size, as CSV: devices, seconds of each step, megabytes
// `read` reads a hosts file of so many dgx-h100, `view` the devices that a program sees, `place` the plan. Times are of the processor, the least of
// three rounds; memory is the most that the process held so far. bench/placement/plot_scale.py draws the CSV.

#include <gpuplace/gpuplace.hpp>
#include <gpuplace/plugin/builtin.hpp>
#include <gpuplace/topology/read.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace gpuplace;

constexpr int per_host = 8;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double peak_megabytes() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_maxrss) / 1024;
}

struct sample {
  double read = 1e9, view = 1e9, place = 1e9;
  std::size_t replicas = 0;
};

workload llama_70b() {
  model_demand one{.role = "model",
                   .model = describe(preset_config("llama-3.1-70b").value(), dtype::bf16, "llama-3.1-70b", "preset:llama-3.1-70b"),
                   .load = {.type = dtype::bf16, .sequences = 16}};
  return {.models = {std::move(one)}};
}

bool measure(int hosts, std::string const& spec, workload const& work, sample& best) {
  auto const allocation = builtin_allocations().make(spec);
  if (!allocation) return std::fprintf(stderr, "%s\n", allocation.error().message().c_str()), false;
  auto const partition = builtin_partitions().make("even").value();
  for (int round = 0; round < 3; ++round) {
    auto const start = processor_seconds();
    auto const graph = topology::read_text("node[0-" + std::to_string(hosts - 1) + "] preset:dgx-h100\n").value();
    auto const was_read = processor_seconds();
    auto const view = topology::visible(graph, {}).value();
    auto const seen = processor_seconds();
    auto const made = place(view, work, *allocation, partition);
    auto const placed = processor_seconds();
    if (!made) return std::fprintf(stderr, "%s\n", made.error().message().c_str()), false;
    best.read = std::min(best.read, was_read - start);
    best.view = std::min(best.view, seen - was_read);
    best.place = std::min(best.place, placed - seen);
    best.replicas = made->models.front().replicas.size();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<std::string> spec;
  std::vector<int> sizes{1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000, 2000, 4000, 8000, 12500};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--hosts") sizes = {std::atoi(argv[i + 1])};
    if (std::string_view(argv[i]) == "--allocation") spec = argv[i + 1];
  }
  auto const work = llama_70b();
  std::puts("devices,replicas,read_s,view_s,place_s,peak_mb");
  for (auto const hosts : sizes) {
    sample best;
    if (!measure(hosts, spec.value_or("data_parallel(" + std::to_string(hosts) + ")"), work, best)) return 1;
    std::printf("%d,%zu,%.6f,%.6f,%.6f,%.0f\n", hosts * per_host, best.replicas, best.read, best.view, best.place,
                peak_megabytes());
    std::fflush(stdout);
  }
}
