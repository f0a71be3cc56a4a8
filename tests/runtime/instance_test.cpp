#include <gpuplace/runtime/async_generate.hpp>
#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/testing/paged_executor.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace gpuplace;
using namespace std::chrono_literals;
using gpuplace::testing::paged_executor;

namespace {

constexpr executor_limits small{.slots = 4, .kv_pages = 64, .page_tokens = 16, .step_tokens = 64, .context = 256};

/// A paged_executor with a device thread of its own, as real devices have; its destructor waits for it.
class threaded_executor {
public:
  explicit threaded_executor(std::shared_ptr<std::atomic<int>> steps = std::make_shared<std::atomic<int>>(0),
                             executor_limits const& l = small)
      : thread_(std::make_unique<boost::asio::thread_pool>(1)), paged_(thread_->get_executor(), l), steps_(std::move(steps)) {}
  threaded_executor(threaded_executor&&) = default;
  threaded_executor& operator=(threaded_executor&&) = default;
  ~threaded_executor() {
    if (!thread_) return;
    thread_->stop();
    thread_->join();
  }
  executor_limits limits() const { return paged_.limits(); }
  auto get_executor() { return thread_->get_executor(); }
  void async_step(batch const& work, step_handler handler) {
    ++*steps_;
    paged_.async_step(work, std::move(handler));
  }
  result<void> fork(slot_id a, slot_id b, std::span<page_id const> p, std::span<page_id const> q) {
    return paged_.fork(a, b, p, q);
  }
  void truncate(slot_id slot, std::int64_t length) { paged_.truncate(slot, length); }
  void release(slot_id slot) { paged_.release(slot); }

private:
  std::unique_ptr<boost::asio::thread_pool> thread_;
  paged_executor paged_;
  std::shared_ptr<std::atomic<int>> steps_;
};
static_assert(model_instance<step_instance<threaded_executor>>);

generation_request request_of(std::size_t index, std::int64_t max_tokens) {
  generation_request r;
  r.index = index;
  r.prompt = {static_cast<token_id>(index + 1), 5, 9};
  r.max_tokens = max_tokens;
  return r;
}

}  // namespace

TEST(instance, streams_and_ends_on_the_given_executor) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor()};
  std::vector<token_id> streamed;
  std::optional<result<generation>> ended;
  auto const here = std::this_thread::get_id();
  instance.start(
      request_of(0, 20), loop.get_executor(),
      [&](std::span<token_id const> tokens) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        EXPECT_FALSE(ended);
        streamed.insert(streamed.end(), tokens.begin(), tokens.end());
      },
      [&](result<generation> g) { ended = std::move(g); });
  loop.run();  // stays while the request runs: its work is tracked
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ((*ended)->tokens.size(), 20U);
  EXPECT_EQ((*ended)->tokens, streamed);
  EXPECT_GT((*ended)->total, seconds{0});
}

TEST(instance, a_sleeping_reader_delays_no_step) {
  boost::asio::io_context loop;
  auto const steps = std::make_shared<std::atomic<int>>(0);
  step_instance instance{threaded_executor(steps)};
  std::atomic<bool> seen_all{false};
  int ends = 0;
  instance.start(
      request_of(0, 200), loop.get_executor(),
      [&](std::span<token_id const>) {
        // Sleeps until the device has done every step of both requests: were it to wait for readers, this would time out.
        for (int i = 0; i < 2000 && *steps < 200; ++i) std::this_thread::sleep_for(5ms);
        seen_all = *steps >= 200;
      },
      [&](result<generation> g) { ends += g.has_value(); });
  instance.start(request_of(1, 200), loop.get_executor(), {}, [&](result<generation> g) { ends += g.has_value(); });
  loop.run();
  EXPECT_TRUE(seen_all);
  EXPECT_EQ(ends, 2);
}

TEST(instance, refuses_and_cancels) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor()};
  std::optional<result<generation>> refused, cancelled;
  auto too_long = request_of(0, 1);
  too_long.prompt.resize(300, 1);
  instance.start(too_long, loop.get_executor(), {}, [&](result<generation> g) { refused = std::move(g); });
  cancel_function cancel;
  cancel = instance.start(
      request_of(1, 250), loop.get_executor(), [&](std::span<token_id const>) { cancel(); cancel(); },
      [&](result<generation> g) { cancelled = std::move(g); });
  loop.run();
  EXPECT_EQ(refused->error().code, errc::does_not_fit);
  ASSERT_TRUE(*cancelled);
  cancel();
}

TEST(instance, destructor_ends_what_is_in_flight) {
  boost::asio::io_context loop;
  std::vector<finish_reason> reasons;
  cancel_function late;
  {
    step_instance instance{threaded_executor()};
    for (std::size_t i = 0; i < 10; ++i)
      late = instance.start(request_of(i, 250), loop.get_executor(), {}, [&](result<generation> g) {
        if (g) reasons.push_back(g->reason);
      });
  }
  late();
  loop.run();
  EXPECT_EQ(reasons.size(), 10U);
  EXPECT_EQ(reasons.back(), finish_reason::cancelled);
}

TEST(instance, serves_several_loops_and_threads_at_once) {
  boost::asio::thread_pool pool(3);
  step_instance instance{threaded_executor()};
  std::atomic<std::size_t> tokens{0}, ends{0};
  {
    std::vector<std::jthread> senders;
    for (std::size_t t = 0; t < 3; ++t)
      senders.emplace_back([&, t] {
        for (std::size_t i = 0; i < 20; ++i) {
          auto in_handler = std::make_shared<int>(0);  // plain on purpose: one request's handlers never overlap
          auto const cancel = instance.start(
              request_of(t * 100 + i, 30), pool.get_executor(),
              [&, in_handler](std::span<token_id const> some) {
                ++*in_handler;
                tokens += some.size();
              },
              [&, in_handler](result<generation> g) {
                ++*in_handler;
                ends += g.has_value();
              });
          if (i % 7 == 0) cancel();
          (void)instance.load();
        }
      });
  }
  pool.join();
  EXPECT_EQ(ends, 60U);
  EXPECT_LE(tokens, 60U * 30U);
  EXPECT_EQ(instance.load().running + instance.load().waiting, 0);
}

TEST(async_generate, takes_any_completion_token) {
  step_instance instance{threaded_executor()};
  auto future = async_generate(instance, request_of(0, 5), {}, boost::asio::use_future);
  EXPECT_EQ(future.get()->tokens.size(), 5U);

  boost::asio::io_context loop;
  auto const here = std::this_thread::get_id();
  std::size_t got = 0;
  auto move_only = [&, owned = std::make_unique<int>(1)](result<generation> g) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    got = g->tokens.size();
  };
  async_generate(instance, request_of(1, 6), {}, boost::asio::bind_executor(loop, std::move(move_only)));
  loop.run();
  EXPECT_EQ(got, 6U);
}

TEST(async_generate, a_signal_cancels) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor()};
  boost::asio::cancellation_signal signal;
  std::optional<result<generation>> ended;
  async_generate(
      instance, request_of(0, 250), [&](std::span<token_id const>) { signal.emit(boost::asio::cancellation_type::terminal); },
      boost::asio::bind_cancellation_slot(signal.slot(),
                                          boost::asio::bind_executor(loop, [&](result<generation> g) { ended = std::move(g); })));
  loop.run();
  ASSERT_TRUE(ended && *ended);
}
