// Several ranks in this process, each on a thread: they meet on the loopback as processes do.
#include "ranks/rank_group.hpp"
#include "ranks/step_messages.hpp"
#include "backends/torch/torch_fixture.hpp"
#ifdef GPUPLACE_HAVE_CUDA
#include "backends/torch/cuda/cuda_fixture.hpp"
#endif

#include <gpuplace/backends/torch.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/runtime/fleet.hpp>
#include <gpuplace/routing/round_robin.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <future>
#include <memory>
#include <string>
#include <vector>

namespace gpuplace::torch_tests {
namespace {

using torch_detail::rank_group;

/// A port that was free a moment ago.
int free_port() {
  boost::asio::io_context loop;
  boost::asio::ip::tcp::acceptor const listening(loop, {boost::asio::ip::address_v4::loopback(), 0});
  return listening.local_endpoint().port();
}

world world_of(int rank, int size, int port) {
  world here;
  here.rank = rank;
  here.size = size;
  here.port = port;
  return here;
}

device_kind kind = device_kind::cpu;

device_group slots(std::size_t count) {
  device slot;
  slot.id.kind = kind;
  slot.cores = 1;
  slot.capacity = bytes{std::int64_t{2} << 30};
  return uniform_group(count, slot, {.kind = path_kind::memory, .bandwidth = gigabytes_per_second{10}});
}

workload work_of(std::filesystem::path const& folder) {
  workload work;
  work.models.push_back(
      {"model", *open_model(folder.string(), dtype::fp32), {.type = dtype::fp32, .context = 256, .sequences = 4}});
  return work;
}

template <class A, class P>
plan plan_for(workload const& work, std::size_t devices, A allocation, P partition) {
  return place(slots(devices), work, allocation, partition, place_options{torch_backend{}.memory()}).value();
}

/// All ranks but 0, each on a thread, serving `whole`.
std::vector<std::future<result<void>>> serve_all(plan const& whole, workload const& work, std::size_t devices, int ranks,
                                                 int port) {
  std::vector<std::future<result<void>>> serving;
  for (int r = 1; r < ranks; ++r)
    serving.push_back(std::async(std::launch::async, [=, &whole, &work]() -> result<void> {
      torch_backend backend;
      GPUPLACE_TRY(auto agreed, backend.join(world_of(r, ranks, port), whole, seconds{60}));
      return backend.serve({std::make_shared<plan const>(std::move(agreed)), 0, 0, work.models[0].model, slots(devices)});
    }));
  return serving;
}

template <class A, class P>
void expect_oracle(char const* name, std::size_t devices, int ranks, A allocation, P partition) {
  auto const folder = data_folder() / name;
  auto const work = work_of(folder);
  auto const whole = plan_for(work, devices, allocation, partition);
  auto const expected = read_oracle(folder / "oracle.json");
  auto const port = free_port();
  auto serving = serve_all(whole, work, devices, ranks, port);
  {
    torch_backend backend;
    auto const agreed = backend.join(world_of(0, ranks, port), whole, seconds{60});
    ASSERT_TRUE(agreed) << agreed.error();
    boost::asio::io_context loop;
    fleet served(loop, *agreed, slots(devices), work, round_robin{}, backend);
    std::size_t ended = 0;
    served.async_start([&](result<void> started) {
      ASSERT_TRUE(started) << started.error();
      std::vector<generation_request> requests(3 * expected.size());
      for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].prompt = expected[i % expected.size()].prompt;
        requests[i].max_tokens = 100;
        requests[i].n = i % 4 == 1 ? 2 : 1;
      }
      served.async_generate_all(std::move(requests), {}, [&](std::vector<result<generation>> all) {
        for (std::size_t i = 0; i < all.size(); ++i) {
          ASSERT_TRUE(all[i]) << all[i].error();
          auto const& greedy = expected[i % expected.size()].greedy;
          EXPECT_EQ(all[i]->tokens, std::vector(greedy.begin(), greedy.begin() + 100)) << name << ", prompt " << i;
          ++ended;
        }
      });
    });
    loop.run();
    EXPECT_EQ(ended, 3 * expected.size());
  }
  for (auto& one : serving) {
    auto const left = one.get();
    EXPECT_TRUE(left) << left.error();
  }
}

TEST(ranks, say_what_transformers_says_with_stages_in_several_processes) {
  expect_oracle("tiny_qwen3", 2, 2, one_group{}, even{});
  expect_oracle("tiny_gemma3", 3, 3, one_group{}, even{});
  expect_oracle("tiny_llama", 4, 2, one_group{}, even{});
}

TEST(ranks, say_what_transformers_says_with_replicas_in_several_processes) {
  expect_oracle("tiny_qwen2", 3, 3, data_parallel{3}, whole{});
  expect_oracle("tiny_qwen3", 4, 2, data_parallel{2}, even{});
  expect_oracle("tiny_qwen3", 4, 4, data_parallel{2}, even{});
}

#ifdef GPUPLACE_HAVE_CUDA
TEST(ranks, say_what_transformers_says_on_two_gpus) {
  if (cuda::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  kind = device_kind::cuda;
  expect_oracle("tiny_qwen3", 2, 2, one_group{}, even{});
  expect_oracle("tiny_qwen2", 2, 2, data_parallel{2}, whole{});
  kind = device_kind::cpu;
}
#endif

TEST(ranks, that_never_come_are_named) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto const whole = plan_for(work, 3, one_group{}, even{});
  auto const met = rank_group::meet(world_of(0, 3, free_port()), whole, seconds{0.3});
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().code, errc::timed_out);
  EXPECT_NE(met.error().what.find("did not come: 1, 2"), std::string::npos) << met.error();
}

TEST(ranks, without_rank_0_give_up) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto const met = rank_group::meet(world_of(1, 2, free_port()), plan_for(work, 2, one_group{}, even{}), seconds{0.3});
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().code, errc::timed_out) << met.error();
}

TEST(ranks, with_another_plan_are_refused_by_all) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto const port = free_port();
  auto const mine = plan_for(work, 2, one_group{}, even{}), other = plan_for(work, 2, data_parallel{2}, whole{});
  auto elsewhere =
      std::async(std::launch::async, [&] { return rank_group::meet(world_of(1, 2, port), other, seconds{30}).error(); });
  auto const met = rank_group::meet(world_of(0, 2, port), mine, seconds{30});
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().code, errc::mismatch);
  EXPECT_NE(met.error().what.find("rank 1"), std::string::npos) << met.error();
  EXPECT_EQ(elsewhere.get().code, errc::mismatch);
}

TEST(ranks, agree_on_rank_0s_grants_where_they_found_other_memory_free) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto const port = free_port();
  auto const mine = plan_for(work, 2, one_group{}, even{});
  auto other = mine;
  other.models[0].replicas[0].stages[0].kv_pool_bytes = bytes{12345};
  auto elsewhere = std::async(std::launch::async, [&] { return rank_group::meet(world_of(1, 2, port), other, seconds{30}); });
  auto const met = rank_group::meet(world_of(0, 2, port), mine, seconds{30});
  ASSERT_TRUE(met) << met.error();
  auto const there = elsewhere.get();
  ASSERT_TRUE(there) << there.error();
  EXPECT_EQ(there->whole.models[0].replicas[0].stages[0].kv_pool_bytes, mine.models[0].replicas[0].stages[0].kv_pool_bytes);
}

TEST(ranks, that_are_lost_in_a_step_end_the_requests_with_their_name) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto const whole = plan_for(work, 2, one_group{}, even{});
  auto const port = free_port();
  // Rank 1 takes one order and is gone.
  auto gone = std::async(std::launch::async, [&] {
    auto const met = rank_group::meet(world_of(1, 2, port), whole, seconds{60});
    ASSERT_TRUE(met) << met.error();
    met->group->post_message(0, torch_detail::answer_tag(0), torch_detail::encode_answer(step_outcome{}));
    (void)met->group->receive_message(0, torch_detail::order_tag(0));
  });
  torch_backend backend;
  auto const agreed = backend.join(world_of(0, 2, port), whole, seconds{60});
  ASSERT_TRUE(agreed) << agreed.error();
  boost::asio::io_context loop;
  fleet served(loop, *agreed, slots(2), work, round_robin{}, backend);
  std::size_t failed = 0;
  served.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    std::vector<generation_request> requests(6);
    for (auto& r : requests) r.prompt = {1, 2, 3};
    served.async_generate_all(std::move(requests), {}, [&](std::vector<result<generation>> all) {
      for (auto const& g : all) {
        ASSERT_FALSE(g);
        EXPECT_EQ(g.error().code, errc::device_lost);
        EXPECT_NE(g.error().what.find("rank 1 on "), std::string::npos) << g.error();
        ++failed;
      }
    });
  });
  loop.run();
  EXPECT_EQ(failed, 6u);
  gone.get();
}

TEST(ranks, that_cannot_load_their_part_say_why_at_rank_0) {
  auto const work = work_of(data_folder() / "tiny_qwen3");
  auto whole = plan_for(work, 2, data_parallel{2}, gpuplace::whole{});
  whole.models[0].replicas[1].stages[0].units[1] = "model.layers.99";
  auto const port = free_port();
  auto serving = serve_all(whole, work, 2, 2, port);
  torch_backend backend;
  auto agreed = backend.join(world_of(0, 2, port), whole, seconds{60});
  ASSERT_TRUE(agreed) << agreed.error();
  auto const started = backend.start({std::make_shared<plan const>(*std::move(agreed)), 0, 1, work.models[0].model, slots(2)});
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().what.find("model.layers.99"), std::string::npos) << started.error();
  auto const ended = serving[0].get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message(), started.error().message());
}

}  // namespace
}  // namespace gpuplace::torch_tests
