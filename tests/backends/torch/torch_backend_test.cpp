#include <gpuplace/backends/torch.hpp>

#include <gpuplace/runtime/async_generate.hpp>
#include <gpuplace/testing/backend_contract.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

namespace gpuplace {
namespace {

std::string const folder = GPUPLACE_TEST_DATA "/models/tiny_qwen2";

device_group cpu_slots(std::size_t count) {
  device slot;
  slot.id.kind = device_kind::cpu;
  slot.cores = 1;
  slot.capacity = bytes{std::int64_t{2} << 30};
  return uniform_group(count, slot, {.kind = path_kind::memory, .bandwidth = gigabytes_per_second{10}});
}

workload tiny_work() {
  workload work;
  work.models.push_back({"model", *open_model(folder, dtype::fp32), {.type = dtype::fp32, .context = 64, .sequences = 3}});
  return work;
}

TEST(torch_backend, climbs_the_contract_of_backends) {
  boost::asio::io_context loop;
  testing::backend_contract_settings settings;
  settings.loop = &loop;
  settings.devices = cpu_slots(2);
  settings.work = tiny_work();
  auto const climbed = testing::check_backend(torch_backend{}, settings);
  EXPECT_TRUE(climbed) << climbed.error();
  auto const cancels = testing::check_backend(torch_backend{{.threads = 2}}, settings, backend_level::survives_failure);
  EXPECT_TRUE(cancels) << cancels.error();
}

TEST(torch_backend, answers_many_requests_alike_whole_and_split) {
  auto const work = [] {
    auto made = tiny_work();
    made.models[0].load.sequences = 6;
    return made;
  }();
  auto const answers = [&](auto const& partition, std::size_t devices) {
    auto const slots = cpu_slots(devices);
    auto const made = place(slots, work, one_group{}, partition, place_options{torch_backend{}.memory()});
    auto const shared = std::make_shared<plan const>(made.value());
    EXPECT_EQ(shared->models[0].replicas[0].stages.size(), devices);
    auto instance = torch_backend{{.step_tokens = 16}}.start({shared, 0, 0, work.models[0].model, slots}).value();
    std::vector<std::future<result<generation>>> all;
    for (std::size_t i = 0; i < 20; ++i) {
      generation_request request;
      request.index = i;
      for (std::size_t t = 0; t < 3 + i * 7 % 40; ++t) request.prompt.push_back(static_cast<token_id>((i * 13 + t * 5) % 100));
      request.max_tokens = 4 + static_cast<std::int64_t>(i % 9);
      request.how.temperature = i % 2 == 0 ? 0 : 0.8;
      request.n = i % 5 == 0 ? 2 : 1;
      all.push_back(async_generate(instance, std::move(request), nullptr, boost::asio::use_future));
    }
    std::vector<std::vector<token_id>> tokens;
    for (auto& a : all) {
      auto const answer = a.get().value();
      tokens.push_back(answer.tokens);
      for (auto const& more : answer.more) tokens.push_back(more.tokens);
    }
    return tokens;
  };
  EXPECT_EQ(answers(even{}, 2), answers(whole{}, 1));
}

TEST(torch_backend, plans_with_what_it_takes) {
  auto const profile = torch_backend{}.memory();
  EXPECT_GT(profile.fixed, bytes{});
  EXPECT_EQ(profile.graphs, 0);
}

class torch_backend_errors : public ::testing::Test {
protected:
  device_group devices_ = cpu_slots(1);
  workload work_ = tiny_work();

  error start(std::function<void(plan&)> change) {
    auto made = place(devices_, work_, one_group{}, whole{}, place_options{torch_backend{}.memory()});
    EXPECT_TRUE(made) << made.error();
    change(*made);
    auto const started = torch_backend{}.start({std::make_shared<plan const>(*made), 0, 0, work_.models[0].model, devices_});
    return started ? error{errc::cancelled, "it started", {}, {}} : started.error();
  }
};

TEST_F(torch_backend_errors, starts_what_was_planned) {
  EXPECT_EQ(start([](plan&) {}).code, errc::cancelled);
}

TEST_F(torch_backend_errors, refuses_another_checkpoint_than_planned) {
  EXPECT_EQ(start([](plan& p) { p.models[0].fingerprint = "0123456789abcdef"; }).code, errc::mismatch);
  EXPECT_EQ(start([](plan& p) { p.models[0].source = GPUPLACE_TEST_DATA "/models/tiny_llama"; }).code, errc::mismatch);
}

TEST_F(torch_backend_errors, refuses_what_has_no_weights) {
  EXPECT_EQ(start([](plan& p) { p.models[0].source = "/nowhere/at/all"; }).code, errc::not_found);
  EXPECT_EQ(start([](plan& p) { p.models[0].source = "preset:qwen3-8b"; }).code, errc::unsupported);
}

TEST_F(torch_backend_errors, refuses_devices_it_cannot_run_on) {
  auto const gpu = start([](plan& p) { p.models[0].replicas[0].stages[0].device = {device_kind::cuda, 77, {}}; });
#ifdef GPUPLACE_HAVE_CUDA
  EXPECT_EQ(gpu.code, errc::not_found);
#else
  EXPECT_EQ(gpu.code, errc::unsupported);
#endif
  EXPECT_NE(gpu.message().find("cuda:77"), std::string::npos) << gpu;
  auto const absent = start([](plan& p) { p.models[0].replicas[0].stages[0].device = {device_kind::cpu, 7, {}}; });
  EXPECT_EQ(absent.code, errc::not_found);
}

TEST_F(torch_backend_errors, refuses_adapters_and_replicas_that_are_not_there) {
  EXPECT_EQ(start([](plan& p) { p.models[0].replicas[0].adapters.push_back("poems"); }).code, errc::unsupported);
  EXPECT_EQ(start([](plan& p) { p.models[0].replicas.clear(); }).code, errc::invalid_argument);
}

/// Planned for other engines, not run in process: said before any weight is read.
TEST_F(torch_backend_errors, refuses_layers_of_several_experts) {
  auto const copy = std::filesystem::path(::testing::TempDir()) / ("gpuplace_experts_" + std::to_string(::getpid()));
  std::filesystem::create_directories(copy);
  std::ofstream(copy / "config.json") << R"({"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 64,
    "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "vocab_size": 128,
    "num_local_experts": 4, "num_experts_per_tok": 2, "rms_norm_eps": 1e-05, "max_position_embeddings": 256})";
  auto const refused = start([&](plan& p) {
    p.models[0].source = copy.string();
    p.models[0].fingerprint.clear();
  });
  std::filesystem::remove_all(copy);
  EXPECT_EQ(refused.code, errc::unsupported) << refused;
  EXPECT_NE(refused.what.find("several experts"), std::string::npos) << refused;
}

/// A checkpoint may hold more than config.json accounts for: then it is another model than config.json describes.
TEST(torch_backend_files, refuses_tensors_that_the_configuration_does_not_know) {
  std::filesystem::path const source = folder;
  auto const copy = std::filesystem::path(::testing::TempDir()) / ("gpuplace_extra_" + std::to_string(::getpid()));
  std::filesystem::create_directories(copy);
  std::filesystem::copy_file(source / "config.json", copy / "config.json", std::filesystem::copy_options::overwrite_existing);
  {
    auto const weights = *open_checkpoint(source);
    auto tensors = weights.tensors();
    auto extra = *weights.find("model.norm.weight");
    extra.name = "model.layers.0.self_attn.q_norm.weight";
    tensors.push_back(extra);
    ASSERT_TRUE(write_safetensors(copy / "model.safetensors", tensors));
  }
  workload work;
  work.models.push_back({"model", *open_model(copy.string(), dtype::fp32), {.type = dtype::fp32, .context = 64, .sequences = 1}});
  auto const devices = cpu_slots(1);
  auto const made = place(devices, work, one_group{}, whole{}, place_options{torch_backend{}.memory()});
  ASSERT_TRUE(made) << made.error();
  auto const started = torch_backend{}.start({std::make_shared<plan const>(*made), 0, 0, work.models[0].model, devices});
  std::filesystem::remove_all(copy);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, errc::mismatch);
  EXPECT_NE(started.error().what.find("'model.layers.0.self_attn.q_norm.weight' is not part"), std::string::npos)
      << started.error();
}

}  // namespace
}  // namespace gpuplace
