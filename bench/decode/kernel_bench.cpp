// Times the kernels of a decode step one by one on the first GPU, each recorded over many layers so that no weight is found in the cache:
// microseconds a layer, and the part of the best read rate that they reach.
//   kernel_bench 8b|1.7b [ROWS…]    without rows: what prompts spend
#include "kernels/kernels.hpp"
#include "matmul.hpp"
#include "probe.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <cstdint>
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
  for (auto const& t : tilings_for(number::bf16, p, rows, where)) {
    auto mine = p;
    if (normed) mine.before = {norm_weight.as(), 1e-6f, false};
    auto const us = time(copies, [&](int i) {
      auto now = mine;
      now.weight = weight(i);
      check(multiply_few(number::bf16, now, t, x.as(), y.as(), rows, where), "product");
    });
    tell(std::string(1, t.by == product_tiling::engine::ring ? 'r' : ' ') + std::to_string(t.rows) + '/' + std::to_string(t.depth) + '/' + std::to_string(t.parts), us);
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
  for (int const stages : {1, 2})
    for (int splits = 1; splits <= 16; splits *= 2) {
      auto const us = time(copies, [&](int i) {
        paged_cache const c{cache.as() + bytes * 2 * static_cast<std::size_t>(i), cache.as() + bytes * (2 * static_cast<std::size_t>(i) + 1),
                            numbers.as<std::int32_t>(), pages_each, 16};
        check(decode_attention(qkv.as(), heads, {n, n, table.as<float>(), table.as<float>()}, {0.088f, 0, 0}, {at.as<std::int32_t>(), nullptr, rows},
                               c, out.as(), {splits, stages}, where),
              "attention");
      });
      std::printf(" %d/%d %.2f", splits, stages, us);
      best = std::min(best, us);
    }
  std::printf("\n  -> %.2f us, %.1f %%\n", best, 100 * floor / best);
}

/// Numbers near zero of either sign: a card multiplies equal ones with less power, and faster than any real weights.
void randomise(device_memory const& memory) {
  static auto const some = [] {
    std::vector<std::uint16_t> numbers(std::size_t{1} << 24);
    std::uint32_t seed = 1;
    for (auto& n : numbers) {
      seed = seed * 1664525u + 1013904223u;
      n = static_cast<std::uint16_t>((seed >> 16 & 0x8000u) | (0x3c00u + (seed >> 20 & 0x3ffu)));
    }
    return numbers;
  }();
  for (std::size_t at = 0; at < memory.size(); at += some.size() * 2)
    check(cudaMemcpy(memory.as() + at, some.data(), std::min(some.size() * 2, memory.size() - at), cudaMemcpyHostToDevice), "filling");
  check(cudaDeviceSynchronize(), "filling");
}

/// What a chunk of prompts spends in its products and in attention: `rows` prompts of `length` tokens from their beginning.
void prompts_of(shape const& s, int rows, int length) {
  head_shape const heads{s.heads, s.kv_heads, head_dim};
  int const tokens = rows * length, pages_each = (length + 15) / 16;
  auto const room = [&](std::int64_t numbers, char const* what) {
    auto memory = allocate(static_cast<std::size_t>(numbers) * 2, what);
    randomise(memory);
    return memory;
  };
  auto const qkv = room(static_cast<std::int64_t>(tokens) * heads.width(), "qkv"), out = room(static_cast<std::int64_t>(tokens) * s.heads * head_dim, "out"),
             keys = room(static_cast<std::int64_t>(rows) * pages_each * 16 * s.kv_heads * head_dim, "keys"),
             values = room(static_cast<std::int64_t>(rows) * pages_each * 16 * s.kv_heads * head_dim, "values");
  auto const table = allocate(static_cast<std::size_t>(length) * head_dim * 4, "rotations"), norms = allocate(head_dim * 2, "norms");
  check(cudaMemsetAsync(table.as(), 0x3c, table.size(), on), "filling");
  check(cudaMemsetAsync(norms.as(), 0x3c, norms.size(), on), "filling");
  std::vector<int> positions, row_of, order(static_cast<std::size_t>(rows * pages_each));
  for (int i = 0; i < std::ssize(order); ++i) order[static_cast<std::size_t>(i)] = static_cast<int>((static_cast<std::int64_t>(i) * 7919) % std::ssize(order));
  std::vector<token_tile> tiles;
  int const most = prompt_rows / heads.group();
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < length; ++i) positions.push_back(i), row_of.push_back(r);
    for (int at = 0; at < length; at += most) tiles.push_back({r * length + at, std::min(most, length - at)});
  }
  std::ranges::sort(tiles, std::greater{}, [&](auto const& t) { return positions[static_cast<std::size_t>(t.first)]; });
  auto const send = [&](auto const& from) {
    auto memory = allocate(from.size() * sizeof(from[0]), "numbers");
    check(cudaMemcpy(memory.as(), from.data(), memory.size(), cudaMemcpyHostToDevice), "filling");
    return memory;
  };
  auto const at = send(positions), of = send(row_of), numbers = send(order), cut = send(tiles);
  check(cudaDeviceSynchronize(), "filling");
  step_tokens const step{at.as<std::int32_t>(), of.as<std::int32_t>(), tokens};
  paged_cache const cache{keys.as(), values.as(), numbers.as<std::int32_t>(), pages_each, 16};
  norm const n{norms.as(), 1e-6f, false};
  auto const turning = time(8, [&](int) {
    check(rotate_and_store(number::bf16, qkv.as(), heads, {n, n, table.as<float>(), table.as<float>()}, step, cache, where), "rotation");
  });
  auto const attention = time(8, [&](int) {
    check(prompt_attention(qkv.as(), heads, {0.088f, 0, 0}, step, cache, cut.as<token_tile>(), static_cast<int>(tiles.size()), out.as(), where), "attention");
  });
  double const work = 2.0 * rows * length * (length + 1.0) * s.heads * head_dim;
  std::printf("prompts %d x %d: rotation %.1f us, attention %.1f us, %.0f TFLOP/s\n", rows, length, turning, attention, work / attention / 1e6);
  std::fflush(stdout);
}

/// The library alone, and what passes over its results.
void products_of_prompts(shape const& s, int tokens) {
  static matmul library;
  auto const room = [&](std::int64_t numbers) {
    auto memory = allocate(static_cast<std::size_t>(numbers) * 2, "numbers");
    randomise(memory);
    return memory;
  };
  auto const x = room(static_cast<std::int64_t>(tokens) * s.intermediate), y = room(static_cast<std::int64_t>(tokens) * 2 * s.intermediate),
             w = room(static_cast<std::int64_t>(2 * s.intermediate) * s.hidden);
  auto const tell = [&](char const* name, int outputs, int inputs, bool add) {
    auto const us = time(8, [&](int) { library.multiply({number::bf16, tokens, outputs, inputs, add, false}, w.as(), x.as(), y.as(), on); });
    std::printf("%d tokens: %s %.1f us, %.0f TFLOP/s\n", tokens, name, us, 2.0 * tokens * outputs * inputs / us / 1e6);
  };
  tell("qkv", (s.heads + 2 * s.kv_heads) * head_dim, s.hidden, false);
  tell("o", s.hidden, s.heads * head_dim, true);
  tell("gate_up", 2 * s.intermediate, s.hidden, false);
  tell("down", s.hidden, s.intermediate, true);
  auto const gates = time(8, [&](int) { check(gate_multiply(number::bf16, y.as(), x.as(), tokens, s.intermediate, gate::silu, where), "gate"); });
  auto const norms = time(8, [&](int) { check(add_and_norm(number::bf16, x.as(), nullptr, {w.as(), 1e-6f, false}, y.as(), tokens, s.hidden, where), "norm"); });
  std::printf("%d tokens: gate %.1f us, norm %.1f us\n", tokens, gates, norms);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: kernel_bench 8b|1.7b [ROWS...]\n");
    return 2;
  }
  shape const s = std::string(argv[1]) == "8b" ? shape{36, 4096, 32, 8, 12288} : shape{28, 2048, 16, 8, 6144};
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "properties");
  check(make_lane(on, where), "a lane");
  rate = best_read_rate(std::size_t{8} << 30);
  std::printf("%s, %d multiprocessors, best read rate %.1f GB/s\n", properties.name, properties.multiProcessorCount, rate / 1e9);
  if (argc == 2) {
    for (int const tokens : {2048, 8192}) products_of_prompts(s, tokens);
    prompts_of(s, 1, 2048);
    prompts_of(s, 1, 8192);
    prompts_of(s, 16, 512);
  }
  for (int i = 2; i < argc; ++i) {
    int const rows = std::atoi(argv[i]);
    where.shared_percent = 100;
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
