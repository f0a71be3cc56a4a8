#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/routing/round_robin.hpp>
#include <gpuplace/runtime/deployment.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/simulation/simulated_backend.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include <map>

using namespace gpuplace;
using namespace gpuplace::literals;

namespace {

constexpr std::size_t count = 60;

struct seen_run {
  std::vector<result<generation>> ends;
  std::map<std::size_t, std::size_t> first_instance;  ///< of each request
  std::vector<instance_load> load;
};

/// @param lost    the device that fails once `tokens` tokens have been told
/// @param takes_back  whether the reader can take tokens back
seen_run run(std::size_t replicas, std::optional<int> lost, std::int64_t tokens, bool takes_back) {
  boost::asio::io_context loop;
  simulated_backend backend{virtual_clock(loop)};
  auto const view =
      uniform_group(replicas, 80_GiB, {.kind = path_kind::nvlink, .nvlinks = 4, .bandwidth = gigabytes_per_second{80}});
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("qwen3-1.7b").value(), dtype::bf16, "qwen3-1.7b", "preset:qwen3-1.7b"), {}});
  work.models[0].load.context = 128;
  work.models[0].load.sequences = 4;
  deployment d{loop, view, work, data_parallel{replicas}, whole{}, round_robin{}, backend};
  std::vector<generation_request> requests(count);
  for (std::size_t i = 0; i < count; ++i) {
    requests[i].prompt.assign(3 + i % 17, static_cast<token_id>(i + 5));
    requests[i].max_tokens = 6 + static_cast<std::int64_t>(i % 23);
    if (i % 2 == 1) requests[i].how = {.temperature = 0.9, .seed = 7};
  }
  seen_run seen;
  batch_sinks sinks;
  sinks.on_tokens = [&](std::size_t i, std::size_t instance, token_piece const& fresh) {
    seen.first_instance.emplace(i, instance);
    tokens -= static_cast<std::int64_t>(fresh.tokens.size());
    if (lost && tokens <= 0) backend.lose({device_kind::cuda, *std::exchange(lost, std::nullopt), {}});
  };
  if (takes_back) sinks.on_restart = [](std::size_t, error const& why) { EXPECT_EQ(why.where, "cuda:1"); };
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started);
    d.async_generate_all(requests, sinks, [&](auto all) { seen.ends = std::move(all); });
  });
  loop.run();  // comes back once nothing is under way
  seen.load = d.load();
  return seen;
}

}  // namespace

TEST(device_loss, harms_no_request_on_other_devices_and_changes_no_token) {
  auto const whole = run(3, {}, 0, false);
  ASSERT_EQ(whole.ends.size(), count);
  for (bool const takes_back : {true, false})
    for (std::int64_t const tokens : {1, 40, 300}) {
      auto const seen = run(3, 1, tokens, takes_back);
      ASSERT_EQ(seen.ends.size(), count) << "a request never ended";
      std::size_t failed = 0, elsewhere = 0;
      for (std::size_t i = 0; i < count; ++i) {
        if (!seen.ends[i]) {
          ++failed;
          EXPECT_EQ(seen.first_instance.at(i), 1U) << "a request on another device was harmed";
          EXPECT_EQ(seen.ends[i].error().code, errc::device_lost);
          EXPECT_EQ(seen.ends[i].error().where, "cuda:1");
          EXPECT_FALSE(seen.ends[i].error().remedy.empty());
          continue;
        }
        EXPECT_EQ(seen.ends[i]->tokens, whole.ends[i]->tokens) << "request " << i;
        elsewhere += whole.ends[i]->instance == 1 && seen.ends[i]->instance != 1;
      }
      if (takes_back) EXPECT_EQ(failed, 0U);
      else EXPECT_LE(failed, 4U) << "only those of which tokens were told, one a slot";
      EXPECT_GT(elsewhere, 0U);
      for (auto const& l : seen.load) EXPECT_EQ(l.kv_used, 0);
    }
}

TEST(device_loss, of_the_only_one_ends_every_request_with_a_clear_error) {
  auto const seen = run(1, 0, 50, false);
  ASSERT_EQ(seen.ends.size(), count);
  std::size_t finished = 0;
  for (auto const& end : seen.ends) {
    if (end) {
      ++finished;
      continue;
    }
    EXPECT_TRUE(end.error().code == errc::device_lost || end.error().code == errc::unavailable) << end.error();
    EXPECT_FALSE(end.error().remedy.empty()) << end.error();
  }
  EXPECT_GT(finished, 0U);
  EXPECT_LT(finished, count);
}
