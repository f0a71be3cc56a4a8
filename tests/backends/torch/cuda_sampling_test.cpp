#include "cuda/cuda_executor.hpp"
#include "cuda/cuda_fixture.hpp"
#include "torch_fixture.hpp"

#include <random>

namespace gpuplace::torch_tests {
namespace {

using torch_detail::cuda_executor;

/// What sequences of different settings ask for, side by side.
struct asked_sequence {
  std::vector<token_id> text;
  std::size_t prompt = 0;
  sampling how;
  std::vector<token_id> forbidden;
  std::int32_t logprobs = -1;
};

std::vector<asked_sequence> mixed(std::int64_t vocabulary) {
  std::vector<sampling> const hows{{},
                                   {.temperature = 1},
                                   {.temperature = 0.7, .top_p = 0.8, .top_k = 20},
                                   {.temperature = 1.2, .min_p = 0.05, .repetition_penalty = 1.2},
                                   {.repetition_penalty = 1.5},
                                   {.temperature = 2, .top_p = 0.5, .frequency_penalty = 0.3, .presence_penalty = 0.2},
                                   {.temperature = 1, .top_k = 3},
                                   {.temperature = 1}};
  std::mt19937 random(4);
  std::vector<asked_sequence> all;
  for (auto const& how : hows) {
    asked_sequence one{{}, 3 + all.size(), how, {}, -1};
    for (std::size_t i = 0; i < one.prompt; ++i)
      one.text.push_back(static_cast<token_id>(random() % static_cast<unsigned>(vocabulary)));
    all.push_back(one);
  }
  for (token_id t = 0; t < 6; ++t) all[1].forbidden.push_back(t);
  for (token_id t = 0; t < 20; ++t) all[6].forbidden.push_back(t);  // more than the device is told
  all[2].logprobs = 2;
  all[3].logprobs = 0;
  return all;
}

/// Steps all sequences together, prompts in chunks of 4 tokens; tells the log-probabilities that came.
template <step_executor E>
std::vector<token_logprobs> run_mixed(E& executor, std::vector<asked_sequence>& all, std::size_t answers) {
  sequence_driver<E> driver(executor);
  std::vector<std::size_t> held(all.size(), 0);
  std::vector<std::vector<page_id>> tables;
  for (std::size_t s = 0; s < all.size(); ++s) tables.push_back(driver.pages(s));
  std::vector<token_logprobs> told;
  for (;;) {
    batch work;
    std::vector<std::size_t> sampled;
    for (std::size_t s = 0; s < all.size(); ++s) {
      auto& a = all[s];
      if (a.text.size() == a.prompt + answers) continue;
      auto const take = std::min<std::size_t>(4, a.text.size() - held[s]);
      bool const last = held[s] + take == a.text.size();
      batch_row row{static_cast<slot_id>(s),
                    static_cast<std::int64_t>(held[s]),
                    std::span(a.text).subspan(held[s], take),
                    tables[s],
                    last ? 1 : 0,
                    a.how,
                    100 + s};
      if (last && a.how.penalised()) row.history = a.text, row.prompt_tokens = static_cast<std::int64_t>(a.prompt);
      if (last) row.forbidden = a.forbidden, row.logprobs = a.logprobs, sampled.push_back(s);
      work.rows.push_back(row);
      held[s] += take;
    }
    if (work.rows.empty()) return told;
    auto const outcome = driver.driver().step(work);
    if (!outcome) {
      ADD_FAILURE() << outcome.error();
      return told;
    }
    for (std::size_t i = 0; i < sampled.size(); ++i) {
      all[sampled[i]].text.push_back(outcome->tokens[i]);
      if (all[sampled[i]].logprobs >= 0) told.push_back(outcome->logprobs[i]);
    }
  }
}

TEST(cuda_sampling, mixed_batches_get_the_tokens_that_the_host_draws) {
  GPUPLACE_NEEDS_GPU();
  auto const folder = data_folder() / "tiny_qwen3";
  load_settings const settings{.batch = 8, .context = 96, .options = {.step_tokens = 64}};
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto [planned, placed] = spread(model, settings);
  auto on_cpu = load(folder, settings);
  ASSERT_TRUE(on_cpu) << on_cpu.error();
  placed.stages[0].device = {device_kind::cuda, 0, {}};
  auto on_gpu = cuda_executor::load(planned, placed, model, *open_checkpoint(folder), settings.options);
  ASSERT_TRUE(on_gpu) << on_gpu.error();
  auto ours = mixed(model.config.vocabulary), theirs = ours;
  auto const told = run_mixed(*on_gpu, ours, 60), expected = run_mixed(*on_cpu, theirs, 60);
  for (std::size_t s = 0; s < ours.size(); ++s) EXPECT_EQ(ours[s].text, theirs[s].text) << "sequence " << s;
  ASSERT_EQ(told.size(), expected.size());
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].chosen.token, expected[i].chosen.token);
    EXPECT_NEAR(told[i].chosen.logprob, expected[i].chosen.logprob, 1e-4);
    EXPECT_EQ(told[i].top.size(), expected[i].top.size());
  }
}

/// Penalties look at what the device remembers of a slot: it must follow forks and rollbacks.
TEST(cuda_sampling, penalties_follow_forks_and_rollbacks) {
  GPUPLACE_NEEDS_GPU();
  auto const folder = data_folder() / "tiny_qwen3";
  load_settings const settings{.batch = 4, .context = 96, .options = {.step_tokens = 64}};
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto [planned, placed] = spread(model, settings);
  placed.stages[0].device = {device_kind::cuda, 0, {}};
  auto executor = cuda_executor::load(planned, placed, model, *open_checkpoint(folder), settings.options);
  ASSERT_TRUE(executor) << executor.error();
  sequence_driver<cuda_executor> driver(*executor);
  auto const pages = driver.pages(0), others = driver.pages(1), fresh = driver.pages(2);
  std::vector<token_id> const first{5, 6, 7, 8, 9, 10, 11, 12}, second{5, 6, 7, 20, 21};
  auto const last_token = [&](slot_id slot, std::span<token_id const> text, std::size_t from, std::span<page_id const> table) {
    batch work;
    batch_row row{slot, static_cast<std::int64_t>(from), text.subspan(from), table, 1, {.repetition_penalty = 5}, 0};
    row.history = text;
    row.prompt_tokens = 2;
    work.rows.push_back(row);
    auto const outcome = driver.driver().step(work);
    EXPECT_TRUE(outcome) << outcome.error();
    return outcome ? outcome->tokens[0] : -1;
  };
  auto const alone = last_token(2, second, 0, fresh);
  last_token(0, first, 0, pages);
  executor->truncate(0, 3);
  EXPECT_EQ(last_token(0, second, 3, pages), alone) << "after a rollback";
  ASSERT_TRUE(executor->fork(0, 1, std::span(pages).first(1), std::span(others).first(1)));
  executor->truncate(1, 4);
  EXPECT_EQ(last_token(1, second, 4, others), alone) << "after a fork";
}

}  // namespace
}  // namespace gpuplace::torch_tests
