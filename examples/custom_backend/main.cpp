// A backend of one's own behind the strategies that are there: two replicas answer a batch, each prompt by turns.
// Prints what the contract tests say of the backend, and the answers.
#include "lookup_backend.hpp"

#include <gpuplace/gpuplace.hpp>
#include <gpuplace/testing/backend_contract.hpp>
#include <gpuplace/testing/executor_contract.hpp>

#include <iostream>

using namespace gpuplace::literals;

int main() {
  // machine and workload
  auto const machine = gpuplace::uniform_group(2, 8_GiB, {});
  gpuplace::workload work;
  work.models.push_back({.role = "model",
                         .model = describe(gpuplace::preset_config("qwen2.5-1.5b").value(), gpuplace::dtype::bf16, "qwen2.5-1.5b",
                                           "preset:qwen2.5-1.5b"),
                         .load = {.context = 64, .sequences = 4}});

  // does it keep the contract?
  boost::asio::io_context loop;
  auto const kept = gpuplace::testing::check_backend(lookup_backend{}, {.loop = &loop, .devices = machine, .work = work});
  std::cout << "contract: "
            << (kept ? "kept up to level " + std::to_string(static_cast<int>(lookup_backend::level)) : kept.error().message())
            << '\n';
  if (!kept) return 1;

  // strategy
  gpuplace::deployment d{
      loop, machine, work, gpuplace::data_parallel{2}, gpuplace::whole{}, gpuplace::round_robin{}, lookup_backend{}};

  // run, report
  std::vector<gpuplace::generation_request> requests(3);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (int t = 0; t < 4; ++t) requests[i].prompt.push_back(static_cast<gpuplace::token_id>(10 * i + t % (i + 2)));
    requests[i].max_tokens = 6;
  }
  d.async_start([&](gpuplace::result<void> started) {
    if (!started) return void(std::cout << started.error() << '\n');
    d.async_generate_all(requests, {}, [](std::vector<gpuplace::result<gpuplace::generation>> all) {
      for (auto const& g : all) {
        std::cout << "replica " << g.value().instance << ':';
        for (auto const token : g->tokens) std::cout << ' ' << token;
        std::cout << '\n';
      }
    });
  });
  loop.restart();
  loop.run();
}
