#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/routing.hpp>
#include <gpuplace/runtime.hpp>
#include <gpuplace/simulation.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <vector>

using namespace gpuplace;

namespace {

device_group gpus(std::size_t count) {
  device model;
  model.name = "test GPU";
  model.capacity = 80_GiB;
  model.memory_bandwidth = gigabytes_per_second{3350};
  model.peak_bf16 = teraflops{989};
  model.launch_cost = microseconds{5};
  return uniform_group(
      count, model,
      {.kind = path_kind::nvlink, .nvlinks = 18, .bandwidth = gigabytes_per_second{300}, .latency = microseconds{10}});
}

workload qwen(std::int64_t sequences = 64) {
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("qwen2.5-1.5b").value(), dtype::bf16, "qwen2.5-1.5b", "preset:qwen2.5-1.5b"), {}});
  work.models[0].load.context = 1024;
  work.models[0].load.sequences = sequences;
  return work;
}

std::vector<generation_request> requests_of(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<generation_request> all(count);
  for (auto& r : all) {
    r.prompt.resize(1 + random() % 512);
    for (auto& t : r.prompt) t = static_cast<token_id>(random() % 30000);
    r.max_tokens = 1 + random() % 256;
    r.how = {.temperature = random() % 2 ? 0.8 : 0.0, .seed = seed};
  }
  return all;
}

struct outcome_of_run {
  std::vector<generation> all;
  seconds took{0};
  std::size_t told = 0;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> streamed;  // tokens by request and instance
};

template <class A, class P, class R>
outcome_of_run run(std::size_t devices, A allocation, P partition, R router, std::vector<generation_request> requests) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  deployment d{loop, gpus(devices), qwen(), allocation, partition, std::move(router), simulated_backend{clock}};
  outcome_of_run out;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    d.async_generate_all(std::move(requests),
                         {.on_tokens = [&](std::size_t index, std::size_t instance,
                                           std::span<token_id const> tokens) { out.streamed[{index, instance}] += tokens.size(); },
                          .on_result = [&](std::size_t, result<generation> const&) { ++out.told; }},
                         [&](std::vector<result<generation>> all) {
                           for (auto& g : all) out.all.push_back(std::move(g).value());
                         });
  });
  loop.run();
  out.took = clock.now();
  for (std::size_t i = 0; i < out.all.size(); ++i)
    EXPECT_EQ((out.streamed[{i, out.all[i].instance}]), out.all[i].tokens.size()) << i;
  return out;
}

std::vector<std::vector<token_id>> tokens_of(outcome_of_run const& run) {
  std::vector<std::vector<token_id>> tokens;
  for (auto const& g : run.all) tokens.push_back(g.tokens);
  return tokens;
}

}  // namespace

TEST(deployment, ten_thousand_requests_on_eight_devices) {
  constexpr std::size_t count = 10000;
  auto const requests = requests_of(count, 11);
  auto const eight = run(8, data_parallel{8}, whole{}, round_robin{}, requests);
  ASSERT_EQ(eight.all.size(), count);
  EXPECT_EQ(eight.told, count);
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(eight.all[i].tokens.size(), static_cast<std::size_t>(requests[i].max_tokens));
    ASSERT_EQ(eight.all[i].prompt_tokens, static_cast<std::int64_t>(requests[i].prompt.size()));
    ASSERT_EQ(eight.all[i].instance, i % 8);
    tokens += requests[i].max_tokens;
  }
  RecordProperty("simulated_tokens_per_second", static_cast<int>(static_cast<double>(tokens) / eight.took.count()));
  EXPECT_GT(eight.took, seconds{0});
}

TEST(deployment, the_same_seed_gives_the_same_run) {
  auto const first = run(4, data_parallel{4}, whole{}, contiguous_shards{}, requests_of(300, 5));
  auto const second = run(4, data_parallel{4}, whole{}, contiguous_shards{}, requests_of(300, 5));
  EXPECT_EQ(first.all, second.all);  // times included
  EXPECT_EQ(first.took, second.took);
}

TEST(deployment, placement_changes_times_but_no_token) {
  auto const requests = requests_of(200, 3);
  auto const one = run(1, one_group{}, whole{}, round_robin{}, requests);
  auto const eight = run(8, data_parallel{8}, whole{}, contiguous_shards{}, requests);
  auto const split = run(8, data_parallel{2}, even{}, round_robin{}, requests);
  EXPECT_EQ(tokens_of(one), tokens_of(eight));
  EXPECT_EQ(tokens_of(one), tokens_of(split));
  EXPECT_LT(eight.took, one.took);
}

TEST(deployment, cuts_a_batch_into_shards) {
  auto const all = run(4, data_parallel{4}, whole{}, contiguous_shards{}, requests_of(100, 1)).all;
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(all[i].instance, i / 25);
}

TEST(deployment, who_is_done_takes_what_others_have_not_begun) {
  auto requests = requests_of(2000, 9);
  for (std::size_t i = 0; i < requests.size(); ++i)
    requests[i].max_tokens = i < 500 ? 250 : 25;  // the first shard takes ten times as long
  auto const all = run(4, data_parallel{4}, whole{}, contiguous_shards{}, requests);
  std::map<std::size_t, std::size_t> tokens;
  for (auto const& g : all.all) tokens[g.instance] += g.tokens.size();
  for (auto const& [instance, made] : tokens) {  // a quarter each, but for what each had begun; without it 125,000 and 12,500
    EXPECT_GT(made, 162500u * 15 / 100) << instance;
    EXPECT_LT(made, 162500u * 45 / 100) << instance;
  }
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(all.all[i].instance, 0u) << "what its own instance has begun stays there";
  EXPECT_EQ(tokens_of(all), tokens_of(run(1, one_group{}, whole{}, round_robin{}, requests)));
}

TEST(deployment, streams_one_request_and_reports_its_load) {
  boost::asio::io_context loop;
  deployment d{
      loop.get_executor(), gpus(2), qwen(), data_parallel{2}, whole{}, round_robin{}, simulated_backend{virtual_clock(loop)}};
  EXPECT_TRUE(d.load().empty());
  std::vector<token_id> streamed;
  std::optional<generation> ended;
  std::int64_t busy = 0;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started);
    d.async_generate(
        requests_of(1, 9)[0],
        [&](std::span<token_id const> some) {
          streamed.insert(streamed.end(), some.begin(), some.end());
          busy = std::max(busy, d.load()[0].running);
        },
        [&](result<generation> g) { ended = std::move(g).value(); });
  });
  loop.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(streamed, ended->tokens);
  EXPECT_EQ(busy, 1);
  EXPECT_EQ(d.load(), std::vector<instance_load>(2));
}

TEST(deployment, says_why_it_cannot_start) {
  boost::asio::io_context loop;
  std::optional<error> why, early, twice;
  deployment small{loop,          uniform_group(1, 1_GiB, {}),           qwen(), one_group{}, whole{},
                   round_robin{}, simulated_backend{virtual_clock(loop)}};
  EXPECT_TRUE(small.plan().has_error());
  small.async_start([&](result<void> r) { why = r.error(); });
  deployment good{loop, gpus(1), qwen(), one_group{}, whole{}, round_robin{}, simulated_backend{virtual_clock(loop)}};
  good.async_generate({}, {}, [&](result<generation> g) { early = g.error(); });
  good.async_start([](result<void> r) { EXPECT_TRUE(r); });
  good.async_start([&](result<void> r) { twice = r.error(); });
  loop.run();
  EXPECT_EQ(why->code, errc::does_not_fit);
  EXPECT_EQ(early->code, errc::unavailable);
  EXPECT_EQ(twice->code, errc::invalid_argument);
}

TEST(deployment, a_ready_plan_runs_in_a_fleet) {
  boost::asio::io_context loop;
  auto const planned = place(gpus(2), qwen(), data_parallel{2}, whole{}).value();
  fleet f{loop, planned, gpus(2), qwen(), round_robin{}, simulated_backend{virtual_clock(loop)}};
  std::size_t done = 0;
  f.async_start([&](result<void> r) {
    ASSERT_TRUE(r);
    f.async_generate_all(requests_of(4, 2), {}, [&](auto all) { done = all.size(); });
  });
  loop.run();
  EXPECT_EQ(done, 4U);

  auto other = planned;
  other.models[0].fingerprint = "of another model";
  auto work = qwen();
  work.models[0].model.fingerprint = "of this one";
  fleet refused{loop, other, gpus(2), work, round_robin{}, simulated_backend{virtual_clock(loop)}};
  std::optional<error> why;
  refused.async_start([&](result<void> r) { why = r.error(); });
  fleet elsewhere{loop, planned, gpus(1), qwen(), round_robin{}, simulated_backend{virtual_clock(loop)}};
  std::optional<error> missing;
  elsewhere.async_start([&](result<void> r) { missing = r.error(); });
  loop.restart();
  loop.run();
  EXPECT_EQ(why->code, errc::mismatch);
  EXPECT_EQ(missing->where, "cuda:1");
}

TEST(deployment, a_batch_is_cancelled_as_a_whole) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  boost::asio::cancellation_signal signal;
  std::map<finish_reason, int> reasons;
  deployment d{loop, gpus(2), qwen(), data_parallel{2}, whole{}, round_robin{}, simulated_backend{clock}};
  d.async_start([&](result<void>) {
    d.async_generate_all(requests_of(200, 2), {},
                         boost::asio::bind_cancellation_slot(signal.slot(), [&](std::vector<result<generation>> all) {
                           for (auto const& g : all) ++reasons[g->reason];
                         }));
    clock.after(seconds{0.05}, [&] { signal.emit(boost::asio::cancellation_type::terminal); });
  });
  loop.run();
  EXPECT_GT(reasons[finish_reason::cancelled], 0);
  EXPECT_EQ(reasons[finish_reason::cancelled] + reasons[finish_reason::length], 200);
}

TEST(deployment, its_end_cancels_what_is_in_flight) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  int cancelled = 0;
  {
    std::optional<deployment<data_parallel, whole, round_robin, simulated_backend>> d;
    d.emplace(loop, gpus(2), qwen(), data_parallel{2}, whole{}, round_robin{}, simulated_backend{clock});
    d->async_start([&](result<void>) {
      d->async_generate_all(requests_of(50, 2), {}, [&](auto all) {
        for (auto const& g : all) cancelled += g->reason == finish_reason::cancelled;
      });
      clock.after(seconds{0.01}, [&] { d.reset(); });
    });
    loop.run();
  }
  EXPECT_GT(cancelled, 0);
}
