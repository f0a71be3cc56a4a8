// Times the executor of GPUs alone: decode steps of one replica at several batches and contexts, without scheduler, tokenizer or
// command, beside the least time in which a card's memory could deliver the bytes that a step must read. Over several stages, each
// with its part of the layers on a GPU of its own, steps are timed one at a time.
//   cuda_bench [--stages N] FOLDER fp32|bf16 CONTEXT BATCH…
// Prints one JSON object a line: loading, then each batch.
#include "cuda/cuda_executor.hpp"
#include "probe.hpp"
#include "runtime.hpp"

#include <gpuplace/testing/step_driver.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace gpuplace;
using torch_detail::cuda_executor;

[[noreturn]] void fail(error const& why) {
  std::fprintf(stderr, "%s\n", why.message().c_str());
  std::exit(1);
}

class timer {
public:
  timer(cuda_executor& executor) : driver_(executor), limits_(executor.limits()) {
    text_.reserve(static_cast<std::size_t>(limits_.step_tokens));  // views of it stay valid
    auto const each = limits_.kv_pages / limits_.slots;
    for (page_id s = 0; s < static_cast<page_id>(limits_.slots); ++s) {
      pages_.emplace_back();
      for (page_id i = 0; i < static_cast<page_id>(each); ++i) pages_.back().push_back(s * static_cast<page_id>(each) + i);
    }
  }

  /// Seconds that prompts of `length` tokens take, as many at once as a step has room for.
  double fill(std::size_t rows, std::int64_t length) {
    double busy = 0;
    std::vector<std::int64_t> done(rows, 0);
    for (std::size_t next = 0; next < rows;) {
      batch work;
      std::int64_t room = limits_.step_tokens;
      for (auto r = next; r < rows && room > 0; ++r) {
        auto const count = std::min(room, length - done[r]);
        work.rows.push_back({static_cast<slot_id>(r), done[r], text(static_cast<std::size_t>(count)), pages_[r], 1, {}, 0});
        done[r] += count;
        room -= count;
      }
      busy += step(work);
      while (next < rows && done[next] == length) ++next;
    }
    return busy;
  }

  struct times {
    double median = 0, mean = 0;
  };
  /// Seconds of a decode step, of as many as a second holds: a card that is loaded for long lowers its clocks.
  times decode(std::size_t rows, std::int64_t position) {
    for (int i = 0; i < 5; ++i) decode_once(rows, position);
    std::vector<double> all;
    double sum = 0;
    while (sum < 1) sum += all.emplace_back(decode_once(rows, position));
    auto const middle = all.begin() + std::ssize(all) / 2;
    std::ranges::nth_element(all, middle);
    return {*middle, sum / static_cast<double>(all.size())};
  }

private:
  std::span<token_id const> text(std::size_t length) {
    for (auto i = text_.size(); i < length; ++i) text_.push_back(static_cast<token_id>(1000 + i * 7));
    return std::span(text_).first(length);
  }

  double step(batch const& work) {
    auto const outcome = driver_.step(work);
    if (!outcome) fail(outcome.error());
    return outcome->device_time.count();
  }

  double decode_once(std::size_t rows, std::int64_t position) {
    batch work;
    for (std::size_t r = 0; r < rows; ++r) work.rows.push_back({static_cast<slot_id>(r), position, text(1), pages_[r], 1, {}, 0});
    return step(work);
  }

  testing::step_driver<cuda_executor> driver_;
  executor_limits limits_;
  std::vector<token_id> text_;
  std::vector<std::vector<page_id>> pages_;
};

}  // namespace

int main(int argc, char** argv) {
  std::size_t stages = 1;
  if (argc > 2 && std::string_view(argv[1]) == "--stages") {
    stages = static_cast<std::size_t>(std::max(1L, std::atol(argv[2])));
    argc -= 2, argv += 2;
  }
  if (argc < 5) {
    std::fprintf(stderr, "usage: cuda_bench [--stages N] FOLDER fp32|bf16 CONTEXT BATCH...\n");
    return 2;
  }
  auto const type = parse_dtype(argv[2]);
  if (!type) fail(type.error());
  auto const context = std::atol(argv[3]);
  std::int64_t most = 1;
  for (int i = 4; i < argc; ++i) most = std::max(most, std::atol(argv[i]));

  auto const model = open_model(argv[1], *type);
  if (!model) fail(model.error());
  auto const weights = open_checkpoint(argv[1]);
  if (!weights) fail(weights.error());
  if (cuda::device_count() == 0) {
    std::fprintf(stderr, "cuda_bench: no GPU\n");
    return 1;
  }
  double const rate = cuda::best_read_rate(std::size_t{8} << 30);
  model_plan planned;
  planned.type = *type;
  planned.context = context + 64;
  planned.batch = most;
  replica placed;
  placed.stages.resize(stages);
  for (std::size_t i = 0; i < stages; ++i) {
    placed.stages[i].device = {device_kind::cuda, static_cast<int>(i), {}};
    placed.stages[i].kv_pool_bytes = bytes{std::int64_t{1} << 40};
  }
  bytes read, of_layers;
  std::size_t layer = 0, at = 0;
  for (auto const& u : model->units) {
    if (u.kind == unit_kind::decoder_layer) at = layer++ * stages / static_cast<std::size_t>(model->config.layers);
    placed.stages[at].units.push_back(u.name);
    if (u.kind != unit_kind::embedding) read += u.weight_bytes;
    if (u.kind == unit_kind::decoder_layer) of_layers += u.weight_bytes;
  }
  if (model->config.tied_embeddings) read += stored_bytes(model->config.vocabulary * model->config.hidden, *type);
  auto const begin = std::chrono::steady_clock::now();
  // As a plan for contexts of so many tokens and more has it, whatever the context here.
  auto executor = cuda_executor::load(planned, placed, *model, *weights, {.step_tokens = demand::prefill_chunk});
  if (!executor) fail(executor.error());
  double const loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("{\"loading_seconds\": %.3f, \"weight_gb\": %.3f, \"loading_gb_s\": %.2f, \"best_read_gb_s\": %.1f}\n", loading,
              static_cast<double>(read.count()) / 1e9, static_cast<double>(read.count()) / 1e9 / loading, rate / 1e9);
  std::fflush(stdout);
  timer t(*executor);
  auto const prompts = [&] { return t.fill(static_cast<std::size_t>(most), context); };
  double const first = prompts();  // libraries load what they need at their first call
  double const prefill = std::min(prompts(), prompts());
  // Products alone: what attention computes beside them is not counted.
  double const operations = 2.0 * static_cast<double>(of_layers.count() / stored_bytes(1, *type).count()) *
                            static_cast<double>(most * context),
               best = cuda::best_product_rate(8192, *type == dtype::bf16);
  std::printf(
      "{\"prefill_tokens\": %ld, \"first_seconds\": %.3f, \"seconds\": %.3f, \"tokens_s\": %.0f, \"tflop_s\": %.0f, "
      "\"best_tflop_s\": %.0f, "
      "\"of_best\": %.3f}\n",
      most * context, first, prefill, static_cast<double>(most * context) / prefill, operations / prefill / 1e12, best / 1e12,
      operations / prefill / best);
  for (int i = 4; i < argc; ++i) {
    auto const rows = std::atol(argv[i]);
    auto const took = t.decode(static_cast<std::size_t>(rows), context);
    double const cache = static_cast<double>(stored_bytes(2 * model->config.kv_heads * model->config.head_dim, *type).count()) *
                         static_cast<double>(model->config.layers * (context + 1) * rows);
    double const floor = (static_cast<double>(read.count()) + cache) / rate;
    std::printf(
        "{\"batch\": %ld, \"context\": %ld, \"step_ms\": %.4f, \"mean_ms\": %.4f, \"floor_ms\": %.4f, \"of_floor\": %.3f}\n", rows,
        context, 1e3 * took.median, 1e3 * took.mean, 1e3 * floor, floor / took.median);
    std::fflush(stdout);
  }
}
