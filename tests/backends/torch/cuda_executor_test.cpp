#include "cuda/cuda_executor.hpp"
#include "cuda/cuda_fixture.hpp"
#include "torch_fixture.hpp"

#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/testing/executor_contract.hpp>

#include <ATen/core/Tensor.h>
#include <boost/asio/io_context.hpp>

#include <cmath>
#include <cstring>
#include <future>

namespace gpuplace::torch_tests {
namespace {

using torch_detail::cuda_executor;

result<cuda_executor> load_cuda(std::filesystem::path const& folder, load_settings const& settings = {}) {
  GPUPLACE_TRY(auto const model, open_model(folder.string(), settings.type));
  GPUPLACE_TRY(auto const weights, open_checkpoint(folder));
  auto [planned, placed] = spread(model, settings);
  for (auto& s : placed.stages) s.device = {device_kind::cuda, s.device.index % cuda::device_count(), {}};
  return cuda_executor::load(planned, placed, model, weights, settings.options);
}

class cuda_oracle : public ::testing::TestWithParam<char const*> {
protected:
  void SetUp() override { GPUPLACE_NEEDS_GPU(); }
  std::filesystem::path folder() const { return data_folder() / GetParam(); }
};

TEST_P(cuda_oracle, logits_are_those_of_transformers_whole_and_split) {
  auto const stored = open_safetensors(folder() / "logits.safetensors");
  ASSERT_TRUE(stored) << stored.error();
  auto const expected = read_oracle(folder() / "oracle.json");
  for (std::size_t const stages : {1, 2}) {
    auto executor = load_cuda(folder(), {.devices = stages});
    ASSERT_TRUE(executor) << executor.error();
    std::vector<float> seen;
    executor->observe_logits(
        [&](at::Tensor const& t) { seen.insert(seen.end(), t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel()); });
    sequence_driver driver(*executor);
    for (std::size_t p = 0; p < expected.size(); ++p) {
      seen.clear();
      auto const& prompt = expected[p].prompt;
      auto const tokens = driver.step(0, 0, prompt, static_cast<std::int32_t>(prompt.size()));
      ASSERT_TRUE(tokens) << tokens.error();
      auto const& view = *stored->find("prompt." + std::to_string(p));
      std::vector<float> theirs(static_cast<std::size_t>(view.elements()));
      std::memcpy(theirs.data(), view.data.data(), view.data.size());
      ASSERT_EQ(seen.size(), theirs.size());
      float worst = 0;
      for (std::size_t i = 0; i < seen.size(); ++i) worst = std::max(worst, std::abs(seen[i] - theirs[i]));
      EXPECT_LT(worst, 1e-4F) << "prompt " << p << ", " << stages << " stages";
    }
  }
}

TEST_P(cuda_oracle, two_hundred_greedy_tokens_in_any_chunks_and_pages) {
  auto const expected = read_oracle(folder() / "oracle.json");
  std::vector<std::vector<token_id>> prompts;
  for (auto const& p : expected) prompts.push_back(p.prompt);
  for (std::int64_t const page_tokens : {3, 16}) {
    load_settings settings;
    settings.options.page_tokens = page_tokens;
    settings.options.step_tokens = 4 * 64;
    auto executor = load_cuda(folder(), settings);
    ASSERT_TRUE(executor) << executor.error();
    sequence_driver driver(*executor);
    for (std::size_t const chunk : {5, 64}) {
      auto const together = driver.greedy(prompts, 200, chunk);
      for (std::size_t p = 0; p < expected.size(); ++p) EXPECT_EQ(together[p], expected[p].greedy) << "prompt " << p;
    }
    EXPECT_EQ(driver.greedy({prompts[1]}, 200, 3)[0], expected[1].greedy);
  }
}

TEST_P(cuda_oracle, stages_that_work_side_by_side_say_what_transformers_says) {
  auto const expected = read_oracle(folder() / "oracle.json");
  for (std::size_t const stages : {2, 3}) {
    // Fewer slots than requests, and prompts in chunks: steps of all kinds follow each other through the stages.
    auto executor = load_cuda(folder(), {.devices = stages, .options = {.page_tokens = 7, .step_tokens = 24}});
    ASSERT_TRUE(executor) << executor.error();
    EXPECT_EQ(executor->limits().micro_batches, static_cast<std::int64_t>(stages));
    step_instance instance(*std::move(executor));
    boost::asio::io_context loop;
    std::size_t ended = 0;
    for (std::size_t i = 0; i < 4 * expected.size(); ++i) {
      auto const& asked = expected[i % expected.size()];
      generation_request request;
      request.index = i;
      request.prompt = asked.prompt;
      request.max_tokens = static_cast<std::int64_t>(i % 5 == 4 ? 40 : 200);
      if (i % 7 == 3) request.logprobs = 2;
      instance.start(
          request, loop.get_executor(), {}, [&, i, most = static_cast<std::size_t>(request.max_tokens)](result<generation> g) {
            ASSERT_TRUE(g) << g.error();
            EXPECT_EQ(g->tokens, std::vector(asked.greedy.begin(), asked.greedy.begin() + static_cast<std::ptrdiff_t>(most))) << i;
            ++ended;
          });
    }
    loop.run();
    EXPECT_EQ(ended, 4 * expected.size());
  }
}

INSTANTIATE_TEST_SUITE_P(families, cuda_oracle,
                         ::testing::Values("tiny_llama", "tiny_llama3_rope", "tiny_llama_bias", "tiny_mistral", "tiny_qwen2",
                                           "tiny_qwen2_yarn", "tiny_qwen3", "tiny_gemma2", "tiny_gemma3"),
                         [](auto const& tested) { return std::string(tested.param); });

TEST(cuda_executor, keeps_the_contract_of_step_executors) {
  GPUPLACE_NEEDS_GPU();
  for (char const* name : {"tiny_qwen3", "tiny_gemma3"})
    for (std::size_t const stages : {1, 2}) {
      auto executor =
          load_cuda(data_folder() / name, {.devices = stages, .context = 56, .options = {.page_tokens = 5, .step_tokens = 4 * 21}});
      ASSERT_TRUE(executor) << executor.error();
      auto const kept = testing::check_executor(*executor, testing::wait_for_thread{}, {.prompt = 5, .answer = 30});
      EXPECT_TRUE(kept) << name << " in " << stages << " stages: " << kept.error();
    }
}

TEST(cuda_executor, replicas_that_copy_their_weights_from_each_other_say_the_same) {
  GPUPLACE_NEEDS_GPU();
  auto const folder = data_folder() / "tiny_qwen3";
  auto const expected = read_oracle(folder / "oracle.json");
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto const weights = *open_checkpoint(folder);
  std::vector<std::future<result<cuda_executor>>> loading;
  for (int i = 0; i < 4; ++i)
    loading.push_back(std::async(std::launch::async, [&, i] {
      auto [planned, placed] = spread(model, {});
      placed.stages[0].device = {device_kind::cuda, i % cuda::device_count(), {}};
      return cuda_executor::load(planned, placed, model, weights, {});
    }));
  for (auto& one : loading) {
    auto executor = one.get();
    ASSERT_TRUE(executor) << executor.error();
    EXPECT_EQ(sequence_driver(*executor).greedy({expected[0].prompt}, 200, 64)[0], expected[0].greedy);
  }
}

TEST(cuda_executor, refuses_a_gpu_that_is_not_there) {
  load_settings settings;
  auto const folder = data_folder() / "tiny_qwen3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto [planned, placed] = spread(model, settings);
  placed.stages[0].device = {device_kind::cuda, 77, {}};
  auto const refused = cuda_executor::load(planned, placed, model, *open_checkpoint(folder), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::not_found);
  EXPECT_NE(refused.error().where.find("cuda:77"), std::string::npos) << refused.error();
}

TEST(cuda_executor, refuses_more_weights_than_there_is_memory) {
  GPUPLACE_NEEDS_GPU();
  auto settings = load_settings{.batch = 1 << 20, .context = 320};
  auto const folder = data_folder() / "tiny_qwen3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto [planned, placed] = spread(model, settings);
  placed.stages[0].device = {device_kind::cuda, 0, {}};
  placed.stages[0].kv_pool_bytes = bytes{std::int64_t{1} << 50};
  auto const refused = cuda_executor::load(planned, placed, model, *open_checkpoint(folder), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::does_not_fit) << refused.error();
  EXPECT_TRUE(load_cuda(folder)) << "the GPU goes on";
}

}  // namespace
}  // namespace gpuplace::torch_tests
