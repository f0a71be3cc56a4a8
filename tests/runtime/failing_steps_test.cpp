#include "scheduler_driver.hpp"

#include <gpuplace/runtime/instance.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>

using namespace gpuplace;
using namespace gpuplace::runtime_tests;

namespace {

/// A paged_executor some of whose steps fail.
class failing_executor : public paged_executor {
public:
  using fault = std::function<std::optional<error>(int step)>;

  failing_executor(boost::asio::any_io_executor context, executor_limits const& limits, fault fails)
      : paged_executor(std::move(context), limits), state_(std::make_shared<state>(state{std::move(fails), 0})) {}

  void async_step(batch const& work, step_handler handler) {
    if (auto why = state_->fails(state_->step++))
      return boost::asio::post(get_executor(), [handler = std::move(handler), why = *std::move(why)] { handler(why); });
    paged_executor::async_step(work, std::move(handler));
  }

private:
  struct state {
    fault fails;
    int step;
  };
  std::shared_ptr<state> state_;
};

constexpr executor_limits narrow{.slots = 4, .kv_pages = 24, .page_tokens = 4, .step_tokens = 16, .context = 64};
constexpr std::size_t count = 20;

error out_of_memory() { return {errc::does_not_fit, "memory ran out", "step on cuda:1", "lower --max-num-seqs"}; }

struct outcome {
  std::vector<std::optional<result<generation>>> ends{count};
  instance_load load;
  std::optional<result<generation>> afterwards;
};

/// `count` requests, and one more when all have ended.
outcome run(failing_executor::fault fails) {
  boost::asio::io_context loop;
  step_instance instance{failing_executor(loop.get_executor(), narrow, std::move(fails))};
  outcome seen;
  for (std::size_t i = 0; i < count; ++i) {
    auto request = request_of(i, 3 + i % 11, 5 + static_cast<std::int64_t>(i % 13));
    if (i % 3 == 1) request.how = {.temperature = 1, .seed = 3};
    if (i % 5 == 2) request.n = 2;
    instance.start(request, loop.get_executor(), {}, [&seen, i](result<generation> g) {
      EXPECT_FALSE(seen.ends[i]) << "ended twice";
      seen.ends[i] = std::move(g);
    });
  }
  loop.run();
  seen.load = instance.load();
  instance.start(request_of(99, 5, 6), loop.get_executor(), {}, [&](result<generation> g) { seen.afterwards = std::move(g); });
  loop.restart();
  loop.run();
  return seen;
}

std::size_t expect_unharmed(outcome const& seen, outcome const& whole, errc code) {
  std::size_t failed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(seen.ends[i]) << "request " << i << " never ended";
    if (!seen.ends[i]) continue;
    if (!*seen.ends[i]) {
      ++failed;
      EXPECT_EQ(seen.ends[i]->error().code, code);
      continue;
    }
    auto const &here = **seen.ends[i], &there = **whole.ends[i];
    EXPECT_EQ(here.tokens, there.tokens) << "request " << i;
    EXPECT_EQ(here.more.size(), there.more.size());
    for (std::size_t k = 0; k < std::min(here.more.size(), there.more.size()); ++k)
      EXPECT_EQ(here.more[k].tokens, there.more[k].tokens);
  }
  EXPECT_EQ(seen.load.kv_used, 0);
  EXPECT_EQ(seen.load.running + seen.load.waiting, 0);
  return failed;
}

}  // namespace

TEST(failing_steps, memory_that_runs_out_ends_the_requests_of_that_step_alone) {
  auto const whole = run([](int) { return std::nullopt; });
  ASSERT_EQ(expect_unharmed(whole, whole, errc{}), 0U);
  for (int const at : {0, 1, 7, 20}) {
    auto const seen = run([at](int step) { return step == at ? std::optional(out_of_memory()) : std::nullopt; });
    auto const failed = expect_unharmed(seen, whole, errc::does_not_fit);
    EXPECT_GE(failed, 1U) << "step " << at;
    EXPECT_LE(failed, static_cast<std::size_t>(narrow.slots)) << "step " << at;
    EXPECT_TRUE(seen.load.available);
    EXPECT_TRUE(*seen.afterwards);
  }
}

TEST(failing_steps, memory_that_runs_out_in_every_step_ends_every_request) {
  auto const seen = run([](int step) { return step < 100 ? std::optional(out_of_memory()) : std::nullopt; });
  for (auto const& end : seen.ends) {
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error().code, errc::does_not_fit);
  }
  EXPECT_EQ(seen.load.kv_used, 0);
}

TEST(failing_steps, a_lost_device_ends_every_request_now_and_later) {
  auto const whole = run([](int) { return std::nullopt; });
  auto const seen = run([](int step) {
    return step == 12 ? std::optional(error{errc::device_lost, "no answer", "cuda:1", "plan again without it"}) : std::nullopt;
  });
  EXPECT_GE(expect_unharmed(seen, whole, errc::device_lost), static_cast<std::size_t>(narrow.slots));
  EXPECT_FALSE(seen.load.available);
  ASSERT_FALSE(*seen.afterwards);
  EXPECT_EQ(seen.afterwards->error().code, errc::device_lost);
  EXPECT_EQ(seen.afterwards->error().where, "cuda:1");
}
