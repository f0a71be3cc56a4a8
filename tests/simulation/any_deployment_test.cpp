#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/plugin/any_allocation.hpp>
#include <gpuplace/plugin/any_backend.hpp>
#include <gpuplace/plugin/any_partition.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/runtime.hpp>
#include <gpuplace/simulation.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <vector>

using namespace gpuplace;

TEST(deployment, runs_strategies_that_were_chosen_by_name) {
  boost::asio::io_context loop;
  workload work;
  work.models.push_back({"model", describe(preset_config("qwen2.5-1.5b").value(), dtype::bf16, "qwen2.5-1.5b", "preset"), {}});
  deployment d{loop,
               uniform_group(2, 80_GiB, {}),
               work,
               any_allocation(data_parallel{2}),
               any_partition(whole{}),
               any_routing(contiguous_shards{}),
               any_backend(simulated_backend{virtual_clock(loop)})};
  generation_request request;
  request.prompt = {1, 2, 3};
  request.max_tokens = 4;
  std::vector<std::size_t> instances;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    d.async_generate_all(std::vector(5, request), {}, [&](std::vector<result<generation>> all) {
      for (auto const& g : all) instances.push_back(g->instance);
    });
  });
  loop.run();
  EXPECT_EQ(instances, (std::vector<std::size_t>{0, 0, 0, 1, 1})) << "a batch's size reaches a router behind any_routing";
}
