#include "torch_fixture.hpp"
#include "vector_kernels.hpp"

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstring>

namespace gpuplace::torch_tests {
namespace {

struct family {
  std::string folder;
  friend std::ostream& operator<<(std::ostream& out, family const& f) { return out << f.folder; }
};

class oracle : public ::testing::TestWithParam<family> {
protected:
  std::filesystem::path folder() const { return data_folder() / GetParam().folder; }
  static std::vector<std::vector<token_id>> prompts(std::vector<oracle_prompt> const& from) {
    std::vector<std::vector<token_id>> all;
    for (auto const& p : from) all.push_back(p.prompt);
    return all;
  }
};

/// The largest difference from the stored logits [tokens, vocabulary].
float distance(std::vector<float> const& ours, tensor_view const& theirs) {
  std::vector<float> expected(static_cast<std::size_t>(theirs.elements()));
  std::memcpy(expected.data(), theirs.data.data(), theirs.data.size());
  EXPECT_EQ(ours.size(), expected.size());
  float worst = 0;
  for (std::size_t i = 0; i < std::min(ours.size(), expected.size()); ++i) worst = std::max(worst, std::abs(ours[i] - expected[i]));
  return worst;
}

TEST_P(oracle, logits_are_those_of_transformers) {
  auto const stored = open_safetensors(folder() / "logits.safetensors");
  ASSERT_TRUE(stored) << stored.error();
  auto const expected = read_oracle(folder() / "oracle.json");
  for (std::size_t const devices : {1, 2}) {
    auto executor = load(folder(), {.devices = devices});
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
      EXPECT_LT(distance(seen, *stored->find("prompt." + std::to_string(p))), 1e-4F)
          << "prompt " << p << " on " << devices << " devices";
    }
  }
}

TEST_P(oracle, two_hundred_greedy_tokens_whole_and_split_in_any_chunks) {
  auto const expected = read_oracle(folder() / "oracle.json");
  for (std::size_t const devices : {1, 2, 3}) {
    auto executor = load(folder(), {.devices = devices});
    ASSERT_TRUE(executor) << executor.error();
    sequence_driver driver(*executor);
    for (std::size_t const chunk : {5, 64}) {
      auto const together = driver.greedy(prompts(expected), 200, chunk);
      for (std::size_t p = 0; p < expected.size(); ++p)
        EXPECT_EQ(together[p], expected[p].greedy) << devices << " devices, prompt " << p;
    }
    auto const alone = driver.greedy({expected[1].prompt}, 200, 3);
    EXPECT_EQ(alone[0], expected[1].greedy);
  }
}

/// Layers that keep a window alone pass their positions round pages of their slot; with steps this small the rings are short,
/// and the longest prompt goes round them several times.
TEST_P(oracle, tokens_do_not_depend_on_how_much_a_window_keeps) {
  auto const expected = read_oracle(folder() / "oracle.json");
  for (std::int64_t const page_tokens : {3, 16}) {
    load_settings settings{.devices = 2};
    settings.options.step_tokens = 8;
    settings.options.page_tokens = page_tokens;
    auto executor = load(folder(), settings);
    ASSERT_TRUE(executor) << executor.error();
    auto const together = sequence_driver(*executor).greedy(prompts(expected), 200, 2);
    for (std::size_t p = 0; p < expected.size(); ++p) EXPECT_EQ(together[p], expected[p].greedy) << "prompt " << p;
  }
}

TEST_P(oracle, every_instruction_level_gives_the_same_tokens) {
  auto const expected = read_oracle(folder() / "oracle.json");
  for (auto const* level : torch_cpu::usable_levels()) {
    load_settings settings;
    settings.options.cpu_level = level->level;
    auto executor = load(folder(), settings);
    ASSERT_TRUE(executor) << executor.error();
    EXPECT_EQ(sequence_driver(*executor).greedy(prompts(expected), 60, 64)[2],
              std::vector(expected[2].greedy.begin(), expected[2].greedy.begin() + 60))
        << level->level;
  }
}

INSTANTIATE_TEST_SUITE_P(families, oracle,
                         ::testing::Values(family{"tiny_llama"}, family{"tiny_llama3_rope"}, family{"tiny_llama_bias"},
                                           family{"tiny_mistral"}, family{"tiny_qwen2"}, family{"tiny_qwen2_yarn"},
                                           family{"tiny_qwen3"}, family{"tiny_gemma2"}, family{"tiny_gemma3"}),
                         [](auto const& tested) { return tested.param.folder; });

}  // namespace
}  // namespace gpuplace::torch_tests
