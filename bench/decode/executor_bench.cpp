// Times the torch executor alone: decode steps and prefill steps of one replica, without scheduler, tokenizer or command.
//   executor_bench FOLDER fp32|bf16 THREADS
// Prints one JSON object: seconds from opening the checkpoint to the first token, MiB that the process peaked at meanwhile
// above what it had with its libraries loaded, tokens a second of decoding at batch 1 and 16 (64 steps after a prompt of 32
// tokens) and of prefilling one prompt of 512 tokens. compare_executor.py runs it beside transformers.
#include "torch_executor.hpp"

#include <gpuplace/testing/step_driver.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace gpuplace;

/// MiB of a line such as VmHWM in /proc/self/status.
double memory(std::string const& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return std::atof(line.c_str() + key.size() + 1) / 1024;
  return 0;
}

constexpr std::int64_t context = 1024;
constexpr std::size_t sequences = 16;

result<torch_detail::torch_executor> load(std::string const& folder, dtype type, int threads) {
  GPUPLACE_TRY(auto const model, open_model(folder, type));
  GPUPLACE_TRY(auto weights, open_checkpoint(folder));
  model_plan planned;
  planned.type = type;
  planned.context = context;
  planned.batch = sequences;
  replica placed;
  placed.stages.emplace_back();
  placed.stages[0].device = {device_kind::cpu, 0, {}};
  placed.stages[0].kv_pool_bytes = bytes{std::int64_t{1} << 40};
  for (auto const& u : model.units) placed.stages[0].units.push_back(u.name);
  return torch_detail::torch_executor::load(planned, placed, model, std::make_shared<checkpoint const>(std::move(weights)),
                                            {.threads = threads});
}

class timer {
public:
  explicit timer(torch_detail::torch_executor& executor) : driver_(executor) {
    auto const limits = executor.limits();
    auto const each = limits.kv_pages / limits.slots;
    for (page_id s = 0; s < static_cast<page_id>(limits.slots); ++s) {
      pages_.emplace_back();
      for (page_id i = 0; i < static_cast<page_id>(each); ++i) pages_.back().push_back(s * static_cast<page_id>(each) + i);
    }
  }

  void first_token() { step(0, 1, 0, 1); }

  /// Tokens a second of decoding `count` sequences for 64 steps; the best of three goes.
  double decode(std::size_t count) {
    for (std::size_t s = 0; s < count; ++s) step(s, 1, 0, 32);
    double best = 0;
    for (int go = 0; go < 3; ++go) {
      seconds busy{0};
      for (std::int64_t i = 0; i < 64; ++i) busy += step(0, count, 32 + i, 1);
      best = std::max(best, 64.0 * static_cast<double>(count) / busy.count());
    }
    return best;
  }
  double prefill(std::size_t length) {
    double best = 0;
    for (int go = 0; go < 3; ++go) best = std::max(best, static_cast<double>(length) / step(0, 1, 0, length).count());
    return best;
  }

private:
  seconds step(std::size_t first, std::size_t rows, std::int64_t start, std::size_t length) {
    std::vector<token_id> tokens(length);
    for (std::size_t i = 0; i < length; ++i) tokens[i] = static_cast<token_id>(1000 + i * 7);
    batch work;
    for (std::size_t r = first; r < first + rows; ++r)
      work.rows.push_back({static_cast<slot_id>(r), start, tokens, pages_[r], 1, {}, 0});
    auto const outcome = driver_.step(work);
    if (!outcome) {
      std::fprintf(stderr, "%s\n", outcome.error().message().c_str());
      std::exit(1);
    }
    return outcome->device_time;
  }

  testing::step_driver<torch_detail::torch_executor> driver_;
  std::vector<std::vector<page_id>> pages_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: executor_bench FOLDER fp32|bf16 THREADS\n");
    return 2;
  }
  auto const type = parse_dtype(argv[2]);
  double const before = memory("VmRSS");
  auto const begin = std::chrono::steady_clock::now();
  auto executor = type ? load(argv[1], *type, std::atoi(argv[3])) : result<torch_detail::torch_executor>(type.error());
  if (!executor) {
    std::fprintf(stderr, "%s\n", executor.error().message().c_str());
    return 1;
  }
  timer t(*executor);
  t.first_token();
  double const load = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
               peak = memory("VmHWM") - before;
  double const one = t.decode(1), many = t.decode(sequences), prefill = t.prefill(512);
  std::printf("{\"dtype\": \"%s\", \"threads\": %s, \"load_seconds\": %.4f, \"load_peak_mib\": %.1f, ", argv[2], argv[3], load,
              peak);
  std::printf("\"decode_1\": %.1f, \"decode_16\": %.1f, \"prefill_512\": %.1f}\n", one, many, prefill);
}
