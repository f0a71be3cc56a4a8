#include "torch_fixture.hpp"

#include <gpuplace/backends/torch.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/routing/round_robin.hpp>
#include <gpuplace/runtime/deployment.hpp>
#include <gpuplace/runtime/instance.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include <unistd.h>

namespace gpuplace::torch_tests {
namespace {

generation_request request_of(std::size_t index) {
  generation_request request;
  request.index = index;
  for (std::size_t i = 0; i < 3 + index; ++i) request.prompt.push_back(static_cast<token_id>((7 * index + 5 * i) % 90));
  request.max_tokens = 20;
  return request;
}

std::vector<generation> run(std::vector<generation_request> const& requests, std::string const& model) {
  auto executor = load(data_folder() / model, {.batch = 17, .context = 64, .options = {.step_tokens = 48}});
  EXPECT_TRUE(executor) << executor.error();
  boost::asio::io_context loop;
  step_instance instance{std::move(*executor)};
  std::vector<generation> got(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i)
    instance.start(requests[i], loop.get_executor(), {}, [&, i](result<generation> g) {
      ASSERT_TRUE(g) << g.error();
      got[i] = std::move(*g);
    });
  loop.run();
  return got;
}

/// The same tokens alone and among 16 others, whatever these ask for: fp32, greedy, sampled, penalised, several answers.
TEST(torch_generation, a_batch_changes_no_token) {
  for (std::string const model : {"tiny_qwen2", "tiny_llama"}) {
    std::vector<generation_request> all;
    for (std::size_t i = 0; i < 17; ++i) {
      auto request = request_of(i);
      if (i % 3 > 0) request.how = {.temperature = 1.2, .top_p = 0.95, .top_k = 50, .min_p = 0.001, .seed = 4};
      if (i % 3 > 1) request.how.repetition_penalty = 1.2, request.how.presence_penalty = 0.3;
      if (i % 5 == 1) request.n = 2;
      if (i % 4 == 1) request.logprobs = 3;
      all.push_back(request);
    }
    auto const together = run(all, model);
    for (std::size_t i = 0; i < 17; i += 2) {
      auto const alone = run({all[i]}, model);
      EXPECT_EQ(together[i].tokens, alone[0].tokens) << model << ' ' << i;
      ASSERT_EQ(together[i].more.size(), alone[0].more.size());
      for (std::size_t k = 0; k < alone[0].more.size(); ++k) EXPECT_EQ(together[i].more[k].tokens, alone[0].more[k].tokens) << i;
    }
  }
}

/// Samples that share a prompt's pages give what requests with its tokens computed anew give.
TEST(torch_generation, several_answers_are_those_of_prompts_computed_anew) {
  auto request = request_of(14);
  request.how = {.temperature = 1.5, .seed = 9};
  request.n = 4;
  request.logprobs = 2;
  auto const got = run({request}, "tiny_qwen2")[0];
  ASSERT_EQ(got.more.size(), 3U);
  std::set<std::vector<token_id>> distinct{got.tokens};
  for (auto const& g : got.more) distinct.insert(g.tokens);
  EXPECT_EQ(distinct.size(), 4U);
  for (auto const* g : {&got, &got.more[0], &got.more[2]}) {
    // Its log-probabilities against those that the model gives for the same text as one prompt, token by token.
    for (std::size_t const cut : {std::size_t{1}, std::size_t{10}}) {
      generation_request again = request_of(14);
      again.prompt.insert(again.prompt.end(), g->tokens.begin(), g->tokens.begin() + static_cast<std::ptrdiff_t>(cut));
      again.max_tokens = 1;
      again.logprobs = 2;
      auto const anew = run({again}, "tiny_qwen2")[0];
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(anew.logprobs[0].top[i].token, g->logprobs[cut].top[i].token);
        EXPECT_NEAR(anew.logprobs[0].top[i].logprob, g->logprobs[cut].top[i].logprob, 1e-4);
      }
    }
  }
}

struct process_state {
  std::int64_t resident_kib = 0;
  std::int64_t threads = 0;
};
process_state look() {
  process_state now;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) now.resident_kib = std::stoll(line.substr(6));
    if (line.starts_with("Threads:")) now.threads = std::stoll(line.substr(8));
  }
  return now;
}

/// The system counts a joined thread for a moment longer: looks until nothing has changed for a tenth of a second.
process_state look_when_settled() {
  auto seen = look();
  for (int alike = 0; alike < 10; ++alike) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto const now = look();
    if (now.threads != seen.threads) alike = 0;
    seen = now;
  }
  return seen;
}

TEST(torch_generation, deployments_in_sequence_leave_nothing_behind) {
  device slot;
  slot.id.kind = device_kind::cpu;
  slot.cores = 2;
  slot.capacity = bytes{std::int64_t{2} << 30};
  workload work;
  work.models.push_back({"model", *open_model((data_folder() / "tiny_qwen2").string(), dtype::fp32), {}});
  work.models[0].load = {.type = dtype::fp32, .context = 64, .sequences = 4};
  auto const cycle = [&] {
    boost::asio::io_context loop;
    deployment d{loop, uniform_group(1, slot, {}), work, one_group{}, whole{}, round_robin{}, torch_backend{}};
    int answers = 0;
    d.async_start([&](result<void> started) {
      ASSERT_TRUE(started) << started.error();
      d.async_generate_all({request_of(0), request_of(1)}, {}, [&](auto const& all) {
        for (auto const& g : all) answers += g.has_value();
      });
    });
    loop.run();
    EXPECT_EQ(answers, 2);
  };
  cycle();  // libtorch keeps its pool of threads and what it allocated for them
  cycle();
  auto const before = look_when_settled();
  for (int i = 0; i < 5; ++i) cycle();
  auto const after = look_when_settled();
  EXPECT_EQ(after.threads, before.threads);
  EXPECT_LT(after.resident_kib - before.resident_kib, 4096);
}

}  // namespace
}  // namespace gpuplace::torch_tests
