#include <gpuplace/testing/soak.hpp>

#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/routing/least_loaded.hpp>
#include <gpuplace/runtime/deployment.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/simulation/simulated_backend.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

using namespace gpuplace;
using namespace gpuplace::literals;
using gpuplace::testing::soak;
using gpuplace::testing::soak_counts;
using gpuplace::testing::soak_settings;

namespace {

constexpr token_id no_token = 97;

/// Ends an answer at any token that 97 divides.
std::shared_ptr<stop_rule const> stop_by_token() {
  return std::make_shared<stop_rule const>(stop_rule{{"97"}, [] {
                                                       return [](std::span<token_id const> fresh) {
                                                         return std::ranges::any_of(fresh,
                                                                                    [](token_id t) { return t % no_token == 0; });
                                                       };
                                                     }});
}

struct soaked {
  soak_counts counts;
  std::vector<instance_load> load;
  std::int64_t computed = 0;
};

/// @param lost  a device that fails when so many requests have ended
soaked run(soak_settings with, std::size_t replicas, double pool, std::optional<std::size_t> lost_after = {}) {
  boost::asio::io_context loop;
  simulated_backend backend{virtual_clock(loop)};
  device card;
  card.id.kind = device_kind::cuda;
  card.capacity = 80_GiB;
  card.memory_bandwidth = gigabytes_per_second{3000};
  auto const view = uniform_group(replicas, card, {.kind = path_kind::nvlink, .nvlinks = 4, .bandwidth = gigabytes_per_second{80}});
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("qwen3-1.7b").value(), dtype::bf16, "qwen3-1.7b", "preset:qwen3-1.7b"), {}});
  work.models[0].load.context = 160;
  work.models[0].load.sequences = 16;
  auto const placed = place(view, work, data_parallel{replicas}, whole{}, {backend.memory()});
  fleet served{loop, result<plan>(gpuplace::testing::with_small_pools(placed.value(), pool)), view, work, least_loaded{}, backend};
  soak all(with, gpuplace::testing::soak_start_on(served), [&](soak_counts const& so_far) {
    if (lost_after && so_far.ended() == *lost_after) backend.lose({device_kind::cuda, 0, {}});
  });
  served.async_start([&](result<void> started) {
    EXPECT_TRUE(started);
    all.begin();
  });
  loop.run();  // comes back when nothing is under way any more: a request that hangs shows as one without an end
  soaked seen{all.counts(), served.load(), 0};
  for (auto const& s : served.statistics()) seen.computed += s.tokens;
  return seen;
}

soak_settings few() {
  soak_settings with;
  with.requests = 600;
  with.in_flight = 80;
  with.stop = stop_by_token();
  with.time_limit = seconds{0.2};
  return with;
}

void expect_nothing_kept(soaked const& seen, soak_settings const& with) {
  EXPECT_EQ(seen.counts.sent, with.requests);
  EXPECT_EQ(seen.counts.ended(), with.requests) << "a request was lost";
  EXPECT_EQ(seen.counts.ended_again, 0U);
  EXPECT_EQ(seen.counts.told_wrongly, 0U);
  for (auto const& l : seen.load) {
    EXPECT_EQ(l.kv_used, 0) << "pages are free again";
    EXPECT_EQ(l.running + l.waiting, 0);
    EXPECT_EQ(l.queued_tokens, 0);
  }
}

}  // namespace

TEST(soak, mixed_requests_all_end_and_leave_nothing_behind) {
  for (std::size_t const replicas : {1, 3}) {
    auto const with = few();
    auto const seen = run(with, replicas, 0.25);
    expect_nothing_kept(seen, with);
    EXPECT_EQ(seen.counts.failed, 0U) << *seen.counts.first_failure;
    EXPECT_GT(seen.counts.finished, with.requests / 2);
    EXPECT_GT(seen.counts.cancelled, with.requests / 20);
    EXPECT_GT(seen.counts.expired, 0U);
    EXPECT_LE(seen.counts.cancelled, seen.counts.cancels);
    EXPECT_LE(seen.counts.overrun, 1U) << "a cancelled sample ends with the step it takes part in";
  }
}

TEST(soak, a_small_pool_makes_sequences_begin_again_and_changes_nothing_else) {
  auto with = few();
  with.cancelled = with.expiring = 0;
  auto const roomy = run(with, 1, 1), small = run(with, 1, 0.2);
  expect_nothing_kept(small, with);
  EXPECT_EQ(small.counts.finished, with.requests);
  EXPECT_EQ(small.counts.tokens, roomy.counts.tokens);
  EXPECT_GT(small.computed, roomy.computed) << "nothing was computed again: the pool is not small enough to test with";
}

TEST(soak, is_the_same_each_time) {
  auto const a = run(few(), 2, 0.25), b = run(few(), 2, 0.25);
  EXPECT_EQ(a.counts.finished, b.counts.finished);
  EXPECT_EQ(a.counts.cancelled, b.counts.cancelled);
  EXPECT_EQ(a.counts.tokens, b.counts.tokens);
}

TEST(soak, a_device_lost_on_the_way_loses_no_request) {
  auto const with = few();
  auto const seen = run(with, 3, 0.25, 200);
  expect_nothing_kept(seen, with);
  EXPECT_GT(seen.counts.failed, 0U) << "requests that had told tokens end with the error";
  EXPECT_LE(seen.counts.failed, 16U) << "those that wait, and all that come later, go elsewhere";
  EXPECT_EQ(seen.counts.first_failure->code, errc::device_lost);
  EXPECT_EQ(seen.counts.first_failure->where, "cuda:0");
  EXPECT_FALSE(seen.load[0].available);
  EXPECT_TRUE(seen.load[1].available && seen.load[2].available);
}

TEST(soak, the_only_device_lost_ends_every_request_with_its_error) {
  auto const with = few();
  auto const seen = run(with, 1, 0.25, 200);
  expect_nothing_kept(seen, with);
  EXPECT_GE(seen.counts.failed, with.requests - 200 - with.in_flight);
  EXPECT_EQ(seen.counts.first_failure->code, errc::device_lost);
}
