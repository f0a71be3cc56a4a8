// Offline data parallelism: a whole copy of one model on each of N devices, prompts spread over them, answers in order.
//
//   example_offline_data_parallel                        100 prompts on four simulated A100s, and what they take there
//   example_offline_data_parallel --model DIR            a real checkpoint, on every device that is visible
//
//   --num-gpus N                   devices to use (default: all that are visible)
//   --topology SRC                 live (the default with --model), cpu:2, preset:4xa100, …
//   --gpu-memory-utilization F     part of each device's memory to use (default 0.9)
//   --max-model-len N              tokens a prompt and its answer may have together (default 4096)
//   --max-tokens N                 tokens an answer may have (default 256)
//
// It prints which prompts each device gets, some answers, and how long the batch took.
#include "offline_model.hpp"
#include "options.hpp"

#include <gpuplace/gpuplace.hpp>
#include <gpuplace/simulation.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/weights/open_model.hpp>
#if OFFLINE_WITH_TORCH
#include <gpuplace/backends/torch.hpp>
#include <gpuplace/text/chat_template.hpp>
#include <gpuplace/text/tokenizer.hpp>
#endif

#include <cstdio>
#include <iostream>

using namespace gpuplace;

namespace {

// ---- machine: the first N visible devices, under the memory limit
result<device_group> open_devices(options const& asked) {
  GPUPLACE_TRY(auto const graph, topology::read(asked.topology));
  GPUPLACE_TRY(auto const visible, topology::visible(graph));
  auto const count = asked.num_gpus.value_or(visible.size());
  if (count < 1 || count > visible.size())
    return error{errc::invalid_argument,
                 std::to_string(count) + " devices asked for, " + std::to_string(visible.size()) + " are visible",
                 "--num-gpus",
                 {}};
  auto const devices = visible.slice(0, count);
  std::vector<bytes> limits;
  for (std::size_t i = 0; i < count; ++i)
    limits.push_back(bytes{static_cast<std::int64_t>(static_cast<double>(devices.capacity(i).count()) * asked.memory_utilization)});
  return devices.with_limits(limits);
}

// ---- workload: one model, its context, and how many sequences each copy has in flight
result<workload> open_work(options const& asked) {
  GPUPLACE_TRY(auto model, open_model(asked.model));
  workload work;
  work.models.push_back({.role = "model", .model = std::move(model), .load = {.context = asked.max_model_len, .sequences = 16}});
  return work;
}

void print_shares(std::size_t prompts, plan const& placed) {
  auto const shares = shard_of(prompts, placed.models[0].replicas.size());
  for (std::size_t d = 0; d < shares.size(); ++d)
    std::printf("GPU %zu: %zu prompts (indices %zu-%zu)\n", d, shares[d].size(), shares[d].first, shares[d].last - 1);
}

// ---- run, report
template <class Backend>
result<void> run(options const& asked, device_group const& devices, workload const& work, Backend backend, codec text,
                 boost::asio::io_context& loop, clock_function now) {
  generation_request settings;
  settings.max_tokens = asked.max_tokens;
  settings.end_tokens = work.models[0].model.config.end_tokens;
  offline_model model(loop, devices, work, std::move(backend), std::move(text), settings);
  GPUPLACE_TRY(auto const placed, model.plan());
  GPUPLACE_CHECK(model.load());

  for (int i = 0; i < 3; ++i) {
    GPUPLACE_TRY(auto const one, model.generate("What is deep learning?"));
    std::printf("a single prompt was answered by GPU %zu\n", one.device);
  }

  std::vector<std::string> prompts;
  for (int i = 0; i < 100; ++i)
    prompts.push_back("Question " + std::to_string(i) + ": what is " + std::to_string(i) + " + " + std::to_string(i) + "?");
  print_shares(prompts.size(), placed);
  auto const began = now();
  auto const answers = model.generate_all(prompts);
  auto const took = now() - began;

  std::size_t tokens = 0;
  for (auto const& a : answers) {
    if (!a) return a.error();
    tokens += a->tokens;
  }
  for (std::size_t const i : {0, 25, 99})
    std::printf("answer %zu, from GPU %zu: %s\n", i, answers[i]->device, answers[i]->text.c_str());
  std::printf("%zu answers, %zu tokens in %.2f s: %.0f tokens/s\n", answers.size(), tokens, took.count(),
              static_cast<double>(tokens) / took.count());
  return {};
}

result<void> run_simulated(options const& asked, device_group const& devices, workload const& work) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  codec const bytes_as_tokens{
      .encode = [](std::string const& prompt) { return std::vector<token_id>(prompt.begin(), prompt.end()); },
      .decode = [](std::vector<token_id> const& tokens) { return "(" + std::to_string(tokens.size()) + " tokens)"; }};
  return run(asked, devices, work, simulated_backend{clock}, bytes_as_tokens, loop, clock.function());
}

result<void> run_real([[maybe_unused]] options const& asked, [[maybe_unused]] device_group const& devices,
                      [[maybe_unused]] workload const& work) {
#if OFFLINE_WITH_TORCH
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const tokens, text::tokenizer::read(asked.model));
  GPUPLACE_TRY(auto const conversation, text::chat_template::read(asked.model));
  codec const real{.encode = [tokens, conversation](std::string const& prompt) -> result<std::vector<token_id>> {
                     GPUPLACE_TRY(auto const written,
                                  conversation.render(nlohmann::json::array({{{"role", "user"}, {"content", prompt}}})));
                     return tokens.encode(written, false);
                   },
                   .decode = [tokens](std::vector<token_id> const& all) { return tokens.decode(all); }};
  return run(asked, devices, work, torch_backend{}, real, loop, steady_seconds);
#else
  return error{errc::unsupported, "this build has no torch backend", "--model", "build with GPUPLACE_WITH_TORCH"};
#endif
}

result<void> run(options const& asked) {
  GPUPLACE_TRY(auto const devices, open_devices(asked));
  GPUPLACE_TRY(auto const work, open_work(asked));
  return asked.simulated() ? run_simulated(asked, devices, work) : run_real(asked, devices, work);
}

}  // namespace

int main(int argc, char** argv) {
  auto const asked = read_options(argc, argv);
  if (!asked) return std::cerr << asked.error().message() << '\n', 2;
  auto const done = run(*asked);
  if (!done) return std::cerr << done.error().message() << '\n', 1;
}
