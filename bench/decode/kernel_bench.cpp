// Times the kernels of a decode step one by one on the first GPU, each recorded over many layers so that no weight is found in the cache:
// microseconds a layer, and the part of the best read rate that they reach.
//   kernel_bench 8b|1.7b ROWS…
#include "kernels/kernels.hpp"
#include "matmul.hpp"
#include "probe.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace gpuplace::cuda;

struct shape {
  int layers, hidden, heads, kv_heads, intermediate;
};
constexpr int vocabulary = 151936, head_dim = 128, layers_timed = 24;

stream on;
lane where;
double rate = 0;

/// Microseconds of one of `count` calls.
double time(int count, std::function<void(int)> const& call) {
  auto const all = [&] {
    for (int i = 0; i < count; ++i) call(i);
  };
  all();
  on.wait();
  auto const recorded = graph::record(on, all);
  stopwatch const timer;
  float least = std::numeric_limits<float>::max();
  for (int round = 0; round < 8; ++round) {
    timer.start(on);
    recorded.launch(on);
    least = std::min(least, timer.stop(on));
  }
  return 1e3 * static_cast<double>(least) / count;
}

void product_of(char const* name, int outputs, int inputs, bool normed, bool gated, bool add, bool wide, int rows) {
  int const copies = outputs == vocabulary ? 2 : layers_timed;
  auto const bytes = static_cast<std::size_t>(outputs) * static_cast<std::size_t>(inputs) * 2;
  auto const weights = allocate(bytes * static_cast<std::size_t>(copies), "weights");
  auto const x = allocate(static_cast<std::size_t>(rows * std::max(inputs, outputs)) * 2, "x"), y = allocate(static_cast<std::size_t>(rows) * static_cast<std::size_t>(outputs) * 4, "y");
  auto const norm_weight = allocate(static_cast<std::size_t>(inputs) * 2, "norm"), between = allocate(static_cast<std::size_t>(rows * inputs) * 2, "normed");
  for (auto const* m : {&weights, &x, &y, &norm_weight, &between}) check(cudaMemsetAsync(m->as(), 0x3c, m->size(), on), "filling");
  product p{.outputs = outputs, .inputs = inputs, .gated = gated, .add = add, .wide = wide};
  auto const weight = [&](int i) { return weights.as() + bytes * static_cast<std::size_t>(i % copies); };
  double const floor = static_cast<double>(bytes) / rate * 1e6;
  std::printf("%-8s %6d x %5d rows %2d floor %6.2f us:", name, outputs, inputs, rows, floor);
  double best = 1e9;
  std::string best_name;
  auto const tell = [&](std::string const& label, double us) {
    std::printf(" %s %.2f", label.c_str(), us);
    if (us < best) best = us, best_name = label;
  };
  for (auto const& t : product_tilings) {
    auto mine = p;
    if (normed && !t.tensor_cores) mine.before = {norm_weight.as(), 1e-6f, false};
    if (!can_multiply(number::bf16, mine, t, rows)) continue;
    auto const us = time(copies, [&](int i) {
      auto now = mine;
      now.weight = weight(i);
      void const* from = x.as();
      if (normed && t.tensor_cores) {
        check(add_and_norm(number::bf16, x.as(), nullptr, {norm_weight.as(), 1e-6f, false}, between.as(), rows, inputs, where), "norm");
        from = between.as();
      }
      check(multiply_few(number::bf16, now, t, from, y.as(), rows, where), "product");
    });
    tell((t.tensor_cores ? "t" : "") + std::to_string(t.rows_a_warp) + '/' + std::to_string(t.loads) + '/' + std::to_string(t.warps_a_row), us);
  }
  static matmul library;
  tell("cublasLt", time(copies, [&](int i) {
         void* from = x.as();
         if (normed) {
           check(add_and_norm(number::bf16, x.as(), nullptr, {norm_weight.as(), 1e-6f, false}, between.as(), rows, inputs, where), "norm");
           from = between.as();
         }
         library.multiply({number::bf16, rows, outputs, inputs, add, wide}, weight(i), from, y.as(), on);
         if (gated) check(gate_multiply(number::bf16, y.as(), x.as(), rows, outputs / 2, gate::silu, where), "gate");
       }));
  std::printf("\n  -> %s %.2f us, %.1f %%\n", best_name.c_str(), best, 100 * floor / best);
}

void attention_of(shape const& s, int rows, int context) {
  head_shape const heads{s.heads, s.kv_heads, head_dim};
  int const pages_each = context / 16 + 1, pages = pages_each * rows;
  auto const bytes = static_cast<std::size_t>(pages) * 16 * static_cast<std::size_t>(s.kv_heads * head_dim) * 2;
  int const copies = std::min(layers_timed, std::max(2, static_cast<int>((std::size_t{12} << 30) / (2 * bytes))));
  auto const cache = allocate(bytes * 2 * static_cast<std::size_t>(copies), "cache");
  auto const qkv = allocate(static_cast<std::size_t>(rows * heads.width()) * 2, "qkv"), out = allocate(static_cast<std::size_t>(rows * s.heads * head_dim) * 2, "out");
  auto const table = allocate(static_cast<std::size_t>(context + 1) * head_dim * 4, "rotations"), norms = allocate(head_dim * 2, "norms");
  for (auto const* m : {&cache, &qkv, &out, &table, &norms}) check(cudaMemsetAsync(m->as(), 0x3c, m->size(), on), "filling");
  std::vector<int> positions(static_cast<std::size_t>(rows), context), order(static_cast<std::size_t>(pages));
  for (int i = 0; i < pages; ++i) order[static_cast<std::size_t>(i)] = static_cast<int>((static_cast<std::int64_t>(i) * 7919) % pages);
  auto const at = allocate(positions.size() * 4, "positions"), numbers = allocate(order.size() * 4, "pages");
  check(cudaMemcpy(at.as(), positions.data(), at.size(), cudaMemcpyHostToDevice), "filling");
  check(cudaMemcpy(numbers.as(), order.data(), numbers.size(), cudaMemcpyHostToDevice), "filling");
  check(cudaDeviceSynchronize(), "filling");
  norm const n{norms.as(), 1e-6f, false};
  double const floor = 2.0 * rows * (context + 1) * s.kv_heads * head_dim * 2 / rate * 1e6;
  std::printf("attention rows %2d context %5d floor %6.2f us:", rows, context, floor);
  double best = 1e9;
  for (int splits = 1; splits <= 16; splits *= 2) {
    auto const us = time(copies, [&](int i) {
      paged_cache const c{cache.as() + bytes * 2 * static_cast<std::size_t>(i), cache.as() + bytes * (2 * static_cast<std::size_t>(i) + 1),
                          numbers.as<std::int32_t>(), pages_each, 16};
      check(decode_attention(qkv.as(), heads, {n, n, table.as<float>(), table.as<float>()}, {0.088f, 0, 0}, {at.as<std::int32_t>(), nullptr, rows},
                             c, out.as(), splits, where),
            "attention");
    });
    std::printf(" %d %.2f", splits, us);
    best = std::min(best, us);
  }
  std::printf("\n  -> %.2f us, %.1f %%\n", best, 100 * floor / best);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: kernel_bench 8b|1.7b ROWS...\n");
    return 2;
  }
  shape const s = std::string(argv[1]) == "8b" ? shape{36, 4096, 32, 8, 12288} : shape{28, 2048, 16, 8, 6144};
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "properties");
  where = {on, properties.major >= 9, properties.multiProcessorCount};
  rate = best_read_rate(std::size_t{8} << 30);
  std::printf("%s, %d multiprocessors, best read rate %.1f GB/s\n", properties.name, properties.multiProcessorCount, rate / 1e9);
  for (int i = 2; i < argc; ++i) {
    int const rows = std::atoi(argv[i]);
    product_of("qkv", (s.heads + 2 * s.kv_heads) * head_dim, s.hidden, true, false, false, false, rows);
    product_of("o", s.hidden, s.heads * head_dim, false, false, true, false, rows);
    product_of("gate_up", 2 * s.intermediate, s.hidden, true, true, false, false, rows);
    product_of("down", s.hidden, s.intermediate, false, false, true, false, rows);
    product_of("head", vocabulary, s.hidden, true, false, false, true, rows);
    attention_of(s, rows, 512);
    if (rows <= 8) attention_of(s, rows, 8192);
    std::fflush(stdout);
  }
}
