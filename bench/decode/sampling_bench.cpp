// Times the choice of tokens on the first GPU for each way of asking, recorded as a decode step has it: microseconds for all rows,
// where the logits have just been written. And the host's time to hand a step of as many rows over.
//   sampling_bench [ROWS...]
#include "choice.hpp"
#include "cuda/step_block.hpp"
#include "kernels/kernels.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace gpuplace;
using torch_detail::sample_request;

constexpr int vocabulary = 151936, context = 4096;

struct way {
  char const* name;
  sampling how;
  std::int32_t logprobs = -1;
};
constexpr way ways[] = {{"greedy", {}},
                        {"temperature", {.temperature = 1}},
                        {"top_k 20", {.temperature = 0.7, .top_k = 20}},
                        {"top_p 0.8", {.temperature = 0.7, .top_p = 0.8}},
                        {"top_k 20, top_p 0.8", {.temperature = 0.7, .top_p = 0.8, .top_k = 20}},
                        {"min_p 0.05", {.temperature = 1, .min_p = 0.05}},
                        {"greedy, penalties", {.repetition_penalty = 1.1, .frequency_penalty = 0.1}},
                        {"all", {.temperature = 0.7, .top_p = 0.8, .top_k = 20, .min_p = 0.01, .repetition_penalty = 1.1}},
                        {"flat, top_p 0.95", {.temperature = 5, .top_p = 0.95}},
                        {"5 log-probabilities", {}, 5}};

double time_rows(cuda::stream const& on, cuda::lane where, std::vector<float> const& logits, int rows, way const& asked) {
  auto const& how = asked.how;
  auto const bytes = logits.size() * sizeof(float);
  auto const original = cuda::allocate(bytes, "logits"), changed = cuda::allocate(bytes, "logits");
  cuda::check(cudaMemcpy(original.as(), logits.data(), bytes, cudaMemcpyHostToDevice), "sending");
  std::vector<token_id> history(2000);
  for (std::size_t i = 0; i < history.size(); ++i) history[i] = static_cast<token_id>(i * 7919 % 5000);
  std::vector<std::int32_t> texts;
  std::vector<cuda::choice_rule> rules;
  for (int r = 0; r < rows; ++r) {
    sample_request ask{how, static_cast<std::uint64_t>(r), r};
    if (how.penalised()) ask.history = history;
    ask.prompt_tokens = 1000;
    ask.logprobs = asked.logprobs;
    rules.push_back(*torch_detail::choice_of(ask, r, vocabulary));
    texts.insert(texts.end(), history.begin(), history.end());
    texts.resize(static_cast<std::size_t>(r + 1) * context);
  }
  auto const sent = [](auto const& numbers) {
    auto memory = cuda::allocate(numbers.size() * sizeof(numbers[0]), "numbers");
    cuda::check(cudaMemcpy(memory.as(), numbers.data(), memory.size(), cudaMemcpyHostToDevice), "sending");
    return memory;
  };
  auto const device_rules = sent(rules), device_texts = sent(texts), keys = sent(std::vector<unsigned long long>(rules.size())),
             tokens = sent(std::vector<std::int32_t>(rules.size()));
  auto const told = cuda::allocate_pinned(rules.size() * sizeof(cuda::told_row));
  cuda::check(cudaDeviceSynchronize(), "sending");
  auto const copy = [&] {
    cuda::check(cudaMemcpyAsync(changed.as(), original.as(), bytes, cudaMemcpyDeviceToDevice, on), "copying");
  };
  auto const choose = [&] {
    cuda::check(
        cuda::choose(changed.as<float>(), rows, vocabulary, keys.as<unsigned long long>(), device_rules.as<cuda::choice_rule>(),
                     device_texts.as<std::int32_t>(), context, tokens.as<std::int32_t>(), told.as<cuda::told_row>(), where),
        "choosing");
  };
  cuda::stopwatch const watch;
  auto const time = [&](bool with_choice) {
    auto const recorded = cuda::graph::record(on, [&] {
      for (int i = 0; i < 8; ++i) {
        copy();
        if (with_choice) choose();
      }
    });
    float least = std::numeric_limits<float>::max();
    for (int round = 0; round < 8; ++round) {
      watch.start(on);
      recorded.launch(on);
      least = std::min(least, watch.stop(on));
    }
    return 1e3 * static_cast<double>(least) / 8;
  };
  copy();
  choose();
  on.wait();
  auto const alone = time(false);
  return time(true) - alone;
}

double time_fill(int rows) {
  executor_limits const limits{
      .slots = rows, .kv_pages = rows * context / 16, .page_tokens = 16, .step_tokens = 2048, .context = context};
  torch_detail::step_block block(limits, vocabulary, 0, 32);
  std::vector<page_id> pages(context / 16);
  std::vector<token_id> const text(2000, 5);
  batch work;
  for (slot_id r = 0; r < rows; ++r) {
    work.rows.push_back({r, 1999, std::span(text).last(1), pages, 1, ways[7].how, 3});
    work.rows.back().history = text;
  }
  std::vector<double> all;
  for (int i = 0; i < 1000; ++i) {
    auto const begin = std::chrono::steady_clock::now();
    if (!block.fill(work, rows)) std::abort();
    all.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::nth_element(all, all.begin() + 500);
  return all[500];
}

}  // namespace

int main(int argc, char** argv) {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, 0), "properties");
  cuda::stream const on;
  cuda::lane where;
  cuda::check(cuda::make_lane(on, where), "a lane");
  std::vector<int> counts;
  for (int i = 1; i < argc; ++i) counts.push_back(std::atoi(argv[i]));
  if (counts.empty()) counts = {1, 8, 64};
  for (int const rows : counts) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(static_cast<std::size_t>(rows) * vocabulary);
    for (auto& x : logits) x = normal(random);
    std::printf("%s, %d rows: step handed over in %.1f us\n", properties.name, rows, time_fill(rows));
    for (auto const& w : ways) std::printf("  %-22s %7.1f us\n", w.name, time_rows(on, where, logits, rows, w));
    std::fflush(stdout);
  }
}
