#include <gpuplace/runtime/batch_source.hpp>

#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/routing.hpp>
#include <gpuplace/runtime.hpp>
#include <gpuplace/simulation.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/visible.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

using namespace gpuplace;

namespace {

workload small_model() {
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("qwen2.5-1.5b").value(), dtype::bf16, "qwen2.5-1.5b", "preset:qwen2.5-1.5b"), {}});
  work.models[0].load.context = 256;
  work.models[0].load.sequences = 4;
  return work;
}

generation_request request_of(std::size_t index) {
  generation_request r;
  r.index = index;
  r.prompt = {1, 2, static_cast<token_id>(index % 1000)};
  r.max_tokens = 4 + static_cast<std::int64_t>(index % 7);
  return r;
}

struct seen {
  std::vector<std::optional<generation>> results;
  std::vector<error> errors;
  std::size_t most_in_flight = 0;
  std::set<std::size_t> instances_of_first;  // that the first 8 requests to be read went to
  std::optional<std::size_t> told;
  std::vector<instance_statistics> statistics;
};

// Four simulated devices answer `count` requests that are read `in_flight` at a time.
template <class R>
seen run(std::size_t count, std::size_t in_flight, R router,
         std::function<std::optional<result<generation_request>>(std::size_t)> read, std::optional<seconds> cancel_after = {}) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  auto const view = topology::visible(topology::preset("4xa100").value(), {}).value();
  deployment d{loop, view, small_model(), data_parallel{4}, whole{}, std::move(router), simulated_backend{clock}};
  seen out;
  out.results.resize(count);
  std::size_t under_way = 0;
  std::vector<std::size_t> first;
  boost::asio::cancellation_signal signal;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    if (cancel_after) clock.after(*cancel_after, [&] { signal.emit(boost::asio::cancellation_type::terminal); });
    d.async_generate_from({.count = count,
                           .read =
                               [&](std::size_t i) {
                                 auto request = read(i);
                                 if (request && *request) {
                                   out.most_in_flight = std::max(out.most_in_flight, ++under_way);
                                   if (first.size() < 8) first.push_back(i);
                                 }
                                 return request;
                               },
                           .in_flight = in_flight},
                          {.on_tokens = {},
                           .on_result =
                               [&](std::size_t i, result<generation> const& g) {
                                 if (g) {
                                   --under_way;
                                   EXPECT_FALSE(out.results[i]) << "told twice of " << i;
                                   out.results[i] = *g;
                                 } else {
                                   out.errors.push_back(g.error());
                                 }
                               }},
                          boost::asio::bind_cancellation_slot(signal.slot(), [&](std::size_t told) { out.told = told; }));
  });
  loop.run();
  out.statistics = d.statistics();
  for (auto const i : first)
    if (out.results[i]) out.instances_of_first.insert(out.results[i]->instance);
  return out;
}

}  // namespace

TEST(batch_source, no_more_are_read_than_may_be_in_flight_and_every_device_works_from_the_start) {
  auto const by_shards = run(1000, 8, contiguous_shards{}, [](std::size_t i) { return request_of(i); });
  EXPECT_EQ(by_shards.told, 1000U);
  EXPECT_EQ(by_shards.most_in_flight, 8U);
  EXPECT_EQ(by_shards.instances_of_first.size(), 4U);
  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(by_shards.results[i]);
    EXPECT_EQ(by_shards.results[i]->instance, i / 250);
    EXPECT_EQ(by_shards.results[i]->tokens.size(), 4 + i % 7);
  }
}

TEST(batch_source, a_router_behind_a_type_is_fed_in_the_same_order) {
  auto const plain = run(40, 8, contiguous_shards{}, [](std::size_t i) { return request_of(i); });
  auto const erased = run(40, 8, any_routing(contiguous_shards{}), [](std::size_t i) { return request_of(i); });
  EXPECT_EQ(plain.results, erased.results);
  auto const turns = run(40, 8, any_routing(round_robin{}), [](std::size_t i) { return request_of(i); });
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(turns.results[i]->instance, i % 4);
}

TEST(batch_source, samples_do_not_depend_on_how_many_are_in_flight) {
  auto const sampled = [](std::size_t i) {
    auto r = request_of(i);
    r.how = {.temperature = 1, .seed = 3};
    return r;
  };
  auto const few = run(30, 1, round_robin{}, sampled);
  auto const many = run(30, 1000, contiguous_shards{}, sampled);
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(few.results[i]->tokens, many.results[i]->tokens) << i;
}

TEST(batch_source, some_are_skipped_and_some_cannot_be_read) {
  auto const out = run(90, 6, contiguous_shards{}, [](std::size_t i) -> std::optional<result<generation_request>> {
    if (i % 3 == 1) return std::nullopt;
    if (i % 3 == 2) return result<generation_request>(error{errc::malformed, "no prompt", "row " + std::to_string(i), {}});
    return request_of(i);
  });
  EXPECT_EQ(out.told, 60U);
  EXPECT_EQ(out.errors.size(), 30U);
  for (std::size_t i = 0; i < 90; ++i) EXPECT_EQ(out.results[i].has_value(), i % 3 == 0) << i;
}

TEST(batch_source, instances_count_their_steps) {
  auto const out = run(100, 1000, contiguous_shards{}, [](std::size_t i) { return request_of(i); });
  ASSERT_EQ(out.statistics.size(), 4U);
  for (std::size_t k = 0; k < 4; ++k) {
    auto const& did = out.statistics[k];
    std::int64_t positions = 0;
    for (std::size_t i = 25 * k; i < 25 * (k + 1); ++i)  // the last token of an answer is never computed on
      positions += 3 + static_cast<std::int64_t>(out.results[i]->tokens.size()) - 1;
    EXPECT_EQ(did.tokens, positions);
    EXPECT_EQ(did.slots, 4);
    EXPECT_GT(did.rows, did.steps);
    EXPECT_LE(did.rows, did.steps * did.slots);
    EXPECT_GT(did.busy, seconds{0});
  }
}

TEST(batch_source, requests_that_come_alone_take_turns_beside_shards) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  auto const view = topology::visible(topology::preset("4xa100").value(), {}).value();
  deployment d{loop, view, small_model(), data_parallel{4}, whole{}, contiguous_shards{}, simulated_backend{clock}};
  std::vector<std::size_t> instances;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started) << started.error();
    for (int i = 0; i < 8; ++i)
      d.async_generate(request_of(0), {}, [&](result<generation> g) { instances.push_back(g.value().instance); });
  });
  loop.run();
  std::ranges::sort(instances);
  EXPECT_EQ(instances, (std::vector<std::size_t>{0, 0, 1, 1, 2, 2, 3, 3}));
}

TEST(batch_source, an_empty_batch_and_one_that_is_skipped_end_at_once) {
  EXPECT_EQ(run(0, 4, round_robin{}, [](std::size_t i) { return request_of(i); }).told, 0U);
  EXPECT_EQ(run(5, 4, contiguous_shards{}, [](std::size_t) { return std::nullopt; }).told, 0U);
}

TEST(batch_source, cancelled_it_asks_for_no_more) {
  auto const out = run(100000, 8, contiguous_shards{}, [](std::size_t i) { return request_of(i); }, seconds{0.1});
  ASSERT_TRUE(out.told);
  EXPECT_LT(*out.told, 100000U);
  auto const count = std::ranges::count_if(out.results, [](auto const& g) { return g.has_value(); });
  EXPECT_EQ(static_cast<std::size_t>(count), *out.told);
  auto const cut = std::ranges::count_if(out.results, [](auto const& g) { return g && g->reason == finish_reason::cancelled; });
  EXPECT_GT(cut, 0);
  EXPECT_LE(cut, 8);
}
