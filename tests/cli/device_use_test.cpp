#include <cli/run/device_use.hpp>
#include <cli/run/device_watch.hpp>
#include <cli/run/environment_notes.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

using namespace gpuplace;
using namespace gpuplace::cli;
using namespace std::chrono_literals;

namespace {

device_id gpu(int index) { return {device_kind::cuda, index, {}}; }

device_use used(int index, double busy, int readings = 10) {
  device_use made(gpu(index));
  for (int i = 0; i < readings; ++i) made.add({busy, 15_GiB, 80_GiB});
  return made;
}

model_plan model_of(std::vector<std::vector<device_id>> const& replicas) {
  model_plan model;
  for (auto const& devices : replicas) {
    replica r;
    for (auto const& d : devices) r.stages.emplace_back().device = d;
    model.replicas.push_back(std::move(r));
  }
  return model;
}

bool says(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(device_use, adds_readings_up) {
  device_use use(gpu(1));
  EXPECT_EQ(use.now(), "");
  EXPECT_FALSE(use.busy());
  use.add({0.5, 15_GiB, 80_GiB});
  use.add({1.0, 40_GiB, 80_GiB});
  use.add({{}, 20_GiB, 80_GiB});
  EXPECT_DOUBLE_EQ(*use.busy(), 0.75);
  EXPECT_EQ(use.most_used(), 40_GiB);
  EXPECT_EQ(use.total(), 80_GiB);
  EXPECT_EQ(use.now(), "cuda:1 20.0 GiB");
  use.add({0.87, 20_GiB, 80_GiB});
  EXPECT_EQ(use.now(), "cuda:1 87 % 20.0 GiB");
}

TEST(devices_text, names_the_bottleneck_of_an_idle_device_alone) {
  std::vector<replica_time> const all_the_time{{{gpu(0)}, 1, 0}};
  EXPECT_EQ(devices_text({used(0, 0.97)}, all_the_time),
            "Devices:\n  cuda:0: busy 97 % of the time, at most 15.0 GiB of 80.0 GiB in use\n");
  EXPECT_TRUE(says(devices_text({used(0, 0.5)}, all_the_time), "within steps"));
  EXPECT_FALSE(says(devices_text({used(0, 0.5, 2)}, all_the_time), ";"));  // too few readings
  EXPECT_EQ(devices_text({device_use(gpu(0))}, all_the_time), "");
  EXPECT_EQ(devices_text({}, all_the_time), "");
}

TEST(devices_text, tells_what_took_most_of_the_time) {
  auto const text = [](double busy, replica_time const& time) { return devices_text({used(0, busy)}, {time}); };
  EXPECT_TRUE(says(text(0.3, {{gpu(0)}, 0.35, 0.6}), "60 % of the time were left"));
  EXPECT_TRUE(says(text(0.3, {{gpu(0)}, 0.35, 0.1}), "between steps"));
  EXPECT_TRUE(says(text(0.3, {{gpu(0)}, 0.9, 0.05}), "within steps"));
  EXPECT_TRUE(says(text(0.3, {{gpu(0), gpu(1), gpu(2)}, 1, 0}), "the 3 devices of its replica take turns"));
}

TEST(devices_text, replicas_on_one_device_are_taken_together) {
  // Each works half of the time: together they leave no time between steps.
  std::vector<replica_time> const two{{{gpu(0)}, 0.5, 0.5}, {{gpu(0)}, 0.5, 0}, {{gpu(1)}, 0, 1}};
  EXPECT_TRUE(says(devices_text({used(0, 0.5)}, two), "within steps"));
  EXPECT_TRUE(says(devices_text({used(1, 0)}, two), "100 % of the time were left"));
}

TEST(devices_text, a_slice_tells_its_memory_alone) {
  device_use slice(gpu(0));
  for (int i = 0; i < 5; ++i) slice.add({{}, 2_GiB, 10_GiB});
  EXPECT_EQ(devices_text({slice}, {{{gpu(0)}, 1, 0}}), "Devices:\n  cuda:0: at most 2.0 GiB of 10.0 GiB in use\n");
}

TEST(device_watch, reads_until_it_is_stopped) {
  std::atomic<int> asked{0};
  auto const read = [&](std::size_t i) -> std::optional<topology::gpu_reading> {
    ++asked;
    if (i == 1) return std::nullopt;
    return topology::gpu_reading{0.5, 1_GiB, 2_GiB};
  };
  device_watch watch({gpu(0), gpu(1)}, read, 1ms);
  while (asked < 6) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(watch.now(), "cuda:0 50 % 1.0 GiB");
  auto const uses = watch.stop();
  auto const then = asked.load();
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_GE(uses[0].readings(), 2u);
  EXPECT_EQ(uses[1].readings(), 0u);
  EXPECT_EQ(watch.stop().size(), 2u);
  EXPECT_EQ(asked, then);
}

TEST(device_watch, does_not_wait_for_its_period_to_end) {
  auto const begin = std::chrono::steady_clock::now();
  {
    device_watch const watch({gpu(0)}, [](std::size_t) { return std::nullopt; }, 60s);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(gpus_of, are_those_that_replicas_are_on) {
  plan whole;
  for (int i = 0; i < 3; ++i) whole.devices.emplace_back().id = gpu(i);
  whole.devices.emplace_back().id = {device_kind::cuda, 2, "elsewhere"};
  whole.devices.emplace_back().id = {device_kind::cpu, 0, {}};
  auto const used_ones =
      gpus_of(whole, model_of({{gpu(2)}, {gpu(0)}, {{device_kind::cpu, 0, {}}}, {{device_kind::cuda, 2, "elsewhere"}}}));
  ASSERT_EQ(used_ones.size(), 2u);
  EXPECT_EQ(used_ones[0].id, gpu(0));
  EXPECT_EQ(used_ones[1].id, gpu(2));
}

TEST(environment_notes, answer_each_kind_of_variable_once) {
  EXPECT_TRUE(environment_notes({"PATH=/bin", "CUDA_VISIBLE_DEVICES=0", "MY_NCCL_X=1", "NCCL_VERSION=2.28"}, true).empty());
  auto const notes = environment_notes(
      {"PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", "NCCL_SOCKET_IFNAME=eth0", "NCCL_P2P_DISABLE=1", "NCCL_DEBUG=INFO"},
      true);
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_TRUE(says(notes[0], "PYTORCH_CUDA_ALLOC_CONF has no effect"));
  EXPECT_TRUE(says(notes[1], "NCCL_DEBUG, NCCL_SOCKET_IFNAME have no effect"));
}

TEST(environment_notes, say_nothing_of_nccl_where_several_processes_take_part) {
  EXPECT_EQ(environment_notes({"NCCL_DEBUG=INFO", "PYTORCH_ALLOC_CONF=x"}, false).size(), 1u);
}
