#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/runtime.hpp>
#include <gpuplace/testing/instance_archetype.hpp>
#include <gpuplace/testing/routing_archetype.hpp>
#include <gpuplace/testing/step_executor_archetype.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <optional>

using namespace gpuplace;
using namespace gpuplace::testing;

namespace {
workload small_model() {
  workload work;
  work.models.push_back({"model", describe(preset_config("qwen2.5-1.5b").value(), dtype::bf16, "qwen2.5-1.5b", "preset"), {}});
  return work;
}
generation_request request_of(std::size_t prompt, std::int64_t max_tokens) {
  generation_request r;
  r.prompt.assign(prompt, 1);
  r.max_tokens = max_tokens;
  return r;
}
}  // namespace

TEST(archetypes, a_deployment_asks_for_no_more_than_its_concepts) {
  boost::asio::io_context loop;
  deployment d{loop,
               uniform_group(1, 80_GiB, {}),
               small_model(),
               one_group{},
               whole{},
               archetype_routing::make(),
               archetype_backend::make()};
  std::size_t answers = 0;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    d.async_generate_all({request_of(3, 1), request_of(4, 1)}, {}, [&](std::vector<result<generation>> all) {
      for (auto const& g : all) answers += g.has_value();
    });
  });
  loop.run();
  EXPECT_EQ(answers, 2U);
}

TEST(archetypes, an_instance_asks_for_no_more_of_its_executor) {
  boost::asio::io_context loop;
  step_instance instance(archetype_step_executor::make());
  std::optional<generation> got;
  async_generate(instance, request_of(3, 7), {},
                 boost::asio::bind_executor(loop, [&](result<generation> g) { got = std::move(g).value(); }));
  loop.run();
  EXPECT_EQ(got->tokens, std::vector<token_id>(7, 0));
}
