#include "torch_fixture.hpp"

#include <gpuplace/testing/executor_contract.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include <unistd.h>

namespace gpuplace::torch_tests {
namespace {

load_settings contract_settings(std::size_t devices) {
  return {.devices = devices, .context = 41, .options = {.step_tokens = 4 * 21}};
}

TEST(torch_executor, keeps_the_contract_of_step_executors) {
  for (std::size_t const devices : {1, 3}) {
    auto executor = load(data_folder() / "tiny_qwen3", contract_settings(devices));
    ASSERT_TRUE(executor) << executor.error();
    auto const kept = testing::check_executor(*executor);
    EXPECT_TRUE(kept) << kept.error();
  }
}

TEST(torch_executor, keeps_the_contract_with_several_threads_and_odd_pages) {
  auto settings = contract_settings(1);
  settings.options.threads = 3;
  settings.options.page_tokens = 7;
  auto executor = load(data_folder() / "tiny_llama", settings);
  ASSERT_TRUE(executor) << executor.error();
  auto const kept = testing::check_executor(*executor);
  EXPECT_TRUE(kept) << kept.error();
}

/// Prompts short and answers long: positions pass round the rings, in forks and after truncation too.
TEST(torch_executor, keeps_the_contract_where_layers_keep_a_window_alone) {
  for (char const* name : {"tiny_gemma3", "tiny_mistral"}) {
    auto executor = load(data_folder() / name, {.devices = 2, .context = 56, .options = {.page_tokens = 5, .step_tokens = 4 * 5}});
    ASSERT_TRUE(executor) << executor.error();
    auto const kept = testing::check_executor(*executor, testing::wait_for_thread{}, {.prompt = 5, .answer = 40});
    EXPECT_TRUE(kept) << kept.error();
  }
}

/// Window 11 and steps of 8 tokens: 18 positions, two pages a slot, in four of five layers.
TEST(torch_executor, gives_what_windows_leave_to_the_layers_that_see_everything) {
  auto const folder = data_folder() / "tiny_gemma3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto const weights = std::make_shared<checkpoint const>(*open_checkpoint(folder));
  auto [planned, placed] = spread(model, {.batch = 3, .context = 256});
  std::int64_t const page = 2 * 1 * 12 * 16 * 4, rings = 4 * 3 * 2;
  auto const pages_with = [&](std::int64_t pages) {
    placed.stages[0].kv_pool_bytes = bytes{pages * page};
    auto const executor = torch_executor::load(planned, placed, model, weights, {.step_tokens = 8});
    return executor ? executor->limits().kv_pages : 0;
  };
  EXPECT_EQ(pages_with(rings + 20), 20);
  EXPECT_EQ(pages_with(rings + 48), 48);
  EXPECT_EQ(pages_with(rings + 480), 48) << "three sequences of 256 tokens";
  EXPECT_EQ(pages_with(rings), 0);
  demand const load{.type = dtype::fp32, .context = 256, .sequences = 3, .step_tokens = 8};
  bytes demanded;
  for (auto const& u : model.units) demanded += kv_bytes(u, load);
  EXPECT_EQ(demanded.count(), (rings + 48) * page) << "what planning asks for is what is needed";
}

TEST(torch_executor, shares_the_grant_among_the_layers_of_each_stage) {
  auto const folder = data_folder() / "tiny_qwen3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto const weights = std::make_shared<checkpoint const>(*open_checkpoint(folder));
  auto [planned, placed] = spread(model, {.devices = 2, .batch = 8, .context = 64});
  std::int64_t const page = 2 * 2 * 16 * 16 * 4;  // keys and values of 2 heads of 16 numbers in fp32, 16 tokens
  placed.stages[0].kv_pool_bytes = bytes{7 * page * 2 - 1};
  placed.stages[1].kv_pool_bytes = bytes{9 * page};
  auto const executor = torch_executor::load(planned, placed, model, weights, {});
  ASSERT_TRUE(executor) << executor.error();
  auto const layers = std::count_if(placed.stages[0].units.begin(), placed.stages[0].units.end(),
                                    [](auto const& u) { return u.starts_with("model.layers."); });
  EXPECT_EQ(layers, 2);
  EXPECT_EQ(executor->limits().kv_pages, 6);
  EXPECT_EQ(executor->limits().slots, 8);
  EXPECT_EQ(executor->limits().context, 64);
}

TEST(torch_executor, refuses_a_plan_without_memory_for_the_cache) {
  auto const folder = data_folder() / "tiny_qwen3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto [planned, placed] = spread(model, {});
  placed.stages[0].kv_pool_bytes = bytes{0};
  auto const executor =
      torch_executor::load(planned, placed, model, std::make_shared<checkpoint const>(*open_checkpoint(folder)), {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().code, errc::does_not_fit);
}

TEST(torch_executor, refuses_stages_that_are_not_the_models_chain) {
  auto const folder = data_folder() / "tiny_qwen3";
  auto const model = *open_model(folder.string(), dtype::fp32);
  auto const weights = std::make_shared<checkpoint const>(*open_checkpoint(folder));
  auto const [planned, placed] = spread(model, {.devices = 2});
  auto const refusal = [&](auto change) {
    auto changed = placed;
    change(changed);
    auto const executor = torch_executor::load(planned, changed, model, weights, {});
    return executor ? error{} : executor.error();
  };
  EXPECT_EQ(refusal([](replica& r) { r.stages[1].units.pop_back(); }).what, "unit 'lm_head' is on no device");
  EXPECT_EQ(refusal([](replica& r) { std::swap(r.stages[0], r.stages[1]); }).code, errc::invalid_argument);
  EXPECT_EQ(refusal([](replica& r) { r.stages[1].units.push_back("model.layers.9"); }).code, errc::invalid_argument);
  EXPECT_EQ(refusal([](replica& r) { r.stages[1].device = {device_kind::cuda, 0, {}}; }).code, errc::unsupported);
}

TEST(torch_executor, refuses_formats_it_cannot_compute_in) {
  auto const folder = data_folder() / "tiny_qwen3";
  for (auto const type : {dtype::fp16, dtype::int8, dtype::int4}) {
    auto const executor = load(folder, {.type = type});
    ASSERT_FALSE(executor);
    EXPECT_EQ(executor.error().code, errc::unsupported);
  }
}

class bad_batches : public ::testing::Test {
protected:
  result<torch_executor> executor_ = load(data_folder() / "tiny_qwen3", {.batch = 2, .context = 48});
  std::vector<token_id> tokens_{5, 6, 7};

  errc refuse(std::function<void(batch_row&)> change) {
    sequence_driver driver(*executor_);
    auto const pages = driver.pages(0);
    batch work;
    work.rows.push_back({0, 0, tokens_, pages, 1, {}, 0});
    change(work.rows[0]);
    auto const outcome = driver.driver().step(work);
    return outcome ? errc::cancelled : outcome.error().code;
  }
};

TEST_F(bad_batches, are_errors_that_leave_the_executor_usable) {
  ASSERT_TRUE(executor_) << executor_.error();
  std::vector<token_id> const foreign{5, 100000}, negative{-1};
  std::vector<page_id> const nowhere{99};
  EXPECT_EQ(refuse([&](batch_row& r) { r.tokens = foreign; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.tokens = negative; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.tokens = {}; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.pages = nowhere; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.pages = {}; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.start = 46; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.samples = 4; }), errc::invalid_argument);
  EXPECT_EQ(refuse([&](batch_row& r) { r.slot = 2; }), errc::invalid_argument);
  EXPECT_EQ(refuse([](batch_row&) {}), errc::cancelled) << "a good batch still runs";
}

/// A copy of a checkpoint in a folder of its own, to be spoiled.
class spoiled : public ::testing::Test {
protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / ("gpuplace_torch_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    for (auto const* name : {"config.json", "model.safetensors"})
      std::filesystem::copy_file(data_folder() / "tiny_llama" / name, folder_ / name,
                                 std::filesystem::copy_options::overwrite_existing);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Overwrites the first numbers of a tensor.
  void poison(std::string const& tensor, float value) {
    std::int64_t offset = 0;
    {
      auto const file = *open_safetensors(folder_ / "model.safetensors");
      auto const begin = file.tensors()[0].data.data();
      auto const first = static_cast<std::int64_t>(std::filesystem::file_size(folder_ / "model.safetensors"));
      std::int64_t length = 0;
      for (auto const& t : file.tensors()) length += static_cast<std::int64_t>(t.data.size());
      offset = first - length + (file.find(tensor)->data.data() - begin);
    }
    std::fstream out(folder_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(offset);
    out.write(reinterpret_cast<char const*>(&value), sizeof value);
  }

  std::filesystem::path folder_;
};

TEST_F(spoiled, nan_in_the_weights_names_the_row_and_the_tensor) {
  poison("model.layers.1.mlp.down_proj.weight", std::numeric_limits<float>::quiet_NaN());
  auto executor = load(folder_);
  ASSERT_TRUE(executor) << executor.error();
  auto const outcome = sequence_driver(*executor).step(0, 0, std::vector<token_id>{4, 5}, 1);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, errc::malformed);
  EXPECT_NE(outcome.error().what.find("row 0"), std::string::npos) << outcome.error();
  EXPECT_NE(outcome.error().what.find("'model.layers.1.mlp.down_proj.weight'"), std::string::npos) << outcome.error();
}

TEST_F(spoiled, an_infinity_is_named_in_converted_weights_too) {
  poison("model.layers.2.self_attn.k_proj.weight", std::numeric_limits<float>::infinity());
  auto executor = load(folder_, {.type = dtype::bf16});
  ASSERT_TRUE(executor) << executor.error();
  auto const outcome = sequence_driver(*executor).step(0, 0, std::vector<token_id>{4, 5}, 1);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().what.find("'model.layers.2.self_attn.k_proj.weight'"), std::string::npos) << outcome.error();
}

/// The first logit becomes plus or minus infinity, by the sign of one number of the hidden state.
TEST_F(spoiled, good_weights_that_overflow_are_not_blamed) {
  poison("model.norm.weight", 3e38F);
  int refused = 0;
  for (float const value : {3e38F, -3e38F}) {
    poison("lm_head.weight", value);
    auto executor = load(folder_);
    ASSERT_TRUE(executor) << executor.error();
    auto const outcome = sequence_driver(*executor).step(0, 0, std::vector<token_id>{4, 5}, 1);
    if (outcome) continue;
    ++refused;
    EXPECT_NE(outcome.error().what.find("though all weights are"), std::string::npos) << outcome.error();
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(spoiled, truncated_weights_are_an_error) {
  std::filesystem::resize_file(folder_ / "model.safetensors", 200000);
  EXPECT_FALSE(load(folder_));
}

TEST_F(spoiled, missing_weights_are_an_error) {
  std::filesystem::remove(folder_ / "model.safetensors");
  EXPECT_FALSE(load(folder_));
}

}  // namespace
}  // namespace gpuplace::torch_tests
