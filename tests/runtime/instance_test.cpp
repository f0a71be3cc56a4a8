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
#include <future>
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

TEST(instance, gives_the_same_tokens_however_many_steps_are_in_flight) {
  auto const answers = [](std::int64_t steps) {
    auto limits = small;
    limits.steps = steps;
    limits.step_tokens = 8;
    std::vector<std::future<result<generation>>> all;
    step_instance instance{threaded_executor(std::make_shared<std::atomic<int>>(0), limits)};
    for (std::size_t i = 0; i < 40; ++i) {
      auto request = request_of(i, 1 + static_cast<std::int64_t>(i % 7));
      request.prompt.resize(3 + i * 5 % 40, 7);
      all.push_back(async_generate(instance, std::move(request), nullptr, boost::asio::use_future));
    }
    std::vector<std::vector<token_id>> tokens;
    for (auto& a : all) tokens.push_back(a.get().value().tokens);
    return tokens;
  };
  auto const one = answers(1);
  EXPECT_EQ(answers(2), one);
  EXPECT_EQ(answers(5), one);
}

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
      request_of(1, 250), loop.get_executor(),
      [&](std::span<token_id const>) {
        cancel();
        cancel();
      },
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

TEST(instance, several_answers_come_as_one_with_a_stream_each) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor()};
  auto request = request_of(3, 30);
  request.prompt.resize(40, 7);
  request.n = 3;
  request.how = {.temperature = 1, .seed = 2};
  request.logprobs = 1;
  std::vector<std::vector<token_id>> streamed(3);
  std::vector<std::size_t> told(3);
  std::optional<result<generation>> ended;
  instance.start(
      request, loop.get_executor(),
      [&](token_piece const& fresh) {
        streamed[fresh.sample].insert(streamed[fresh.sample].end(), fresh.tokens.begin(), fresh.tokens.end());
        EXPECT_EQ(fresh.logprobs.size(), fresh.tokens.size());
        for (std::size_t i = 0; i < fresh.logprobs.size(); ++i) EXPECT_EQ(fresh.logprobs[i].chosen.token, fresh.tokens[i]);
        told[fresh.sample] += fresh.logprobs.size();
      },
      [&](result<generation> g) { ended = std::move(g); });
  loop.run();
  ASSERT_TRUE(ended && *ended) << ended->error();
  auto const& first = **ended;
  ASSERT_EQ(first.more.size(), 2U);
  EXPECT_EQ(first.tokens, streamed[0]);
  EXPECT_EQ(first.more[0].tokens, streamed[1]);
  EXPECT_EQ(first.more[1].tokens, streamed[2]);
  EXPECT_NE(streamed[0], streamed[1]);
  EXPECT_NE(streamed[1], streamed[2]);
  EXPECT_EQ(told, (std::vector<std::size_t>(3, 30)));
  EXPECT_EQ(instance.load().kv_used, 0);
}

TEST(instance, a_cancel_ends_every_answer) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor()};
  auto request = request_of(0, 240);
  request.n = 4;
  request.how = {.temperature = 1};
  cancel_function cancel;
  std::optional<result<generation>> ended;
  cancel = instance.start(
      request, loop.get_executor(), [&](std::span<token_id const>) { cancel(); },
      [&](result<generation> g) { ended = std::move(g); });
  loop.run();
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ((*ended)->more.size(), 3U);
  EXPECT_EQ(instance.load().running + instance.load().waiting, 0);
}

TEST(instance, holds_no_more_requests_than_it_may) {
  boost::asio::io_context loop;
  step_instance instance{threaded_executor(), steady_seconds, 6};
  int answered = 0;
  std::vector<error> refused;
  auto const send = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      instance.start(request_of(i, 250), loop.get_executor(), {}, [&](result<generation> g) {
        if (g) ++answered;
        else refused.push_back(g.error());
      });
  };
  send(20);  // long answers: none has ended when the last is sent, unless this thread is stopped for long
  loop.run();
  EXPECT_EQ(answered + refused.size(), 20U);
  EXPECT_GE(answered, 6);
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(refused[0].code, errc::unavailable);
  EXPECT_NE(refused[0].what.find("6 requests"), std::string::npos) << refused[0];
  refused.clear();
  answered = 0;
  loop.restart();
  send(6);
  loop.run();
  EXPECT_EQ(answered, 6) << "places are free again once requests have ended";
}

/// The same tokens alone and among 16 others, whatever these ask for.
TEST(instance, a_batch_changes_no_token) {
  executor_limits const limits{.slots = 17, .kv_pages = 200, .page_tokens = 4, .step_tokens = 40, .context = 64};
  std::vector<generation_request> all;
  for (std::size_t i = 0; i < 17; ++i) {
    auto request = request_of(i, 20);
    request.prompt.resize(3 + i, static_cast<token_id>(i));
    if (i % 3 > 0) request.how = {.temperature = 0.9, .top_p = 0.9, .seed = 4};
    if (i % 3 > 1) request.how.repetition_penalty = 1.2;
    if (i % 5 == 1) request.n = 2, request.logprobs = 3;
    all.push_back(request);
  }
  auto const run = [&](std::vector<generation_request> const& requests) {
    boost::asio::io_context loop;
    step_instance instance{threaded_executor(std::make_shared<std::atomic<int>>(0), limits)};
    std::vector<generation> got(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i)
      instance.start(requests[i], loop.get_executor(), {}, [&, i](result<generation> g) { got[i] = std::move(g).value(); });
    loop.run();
    return got;
  };
  auto const together = run(all);
  for (std::size_t i = 0; i < 17; ++i) {
    auto const alone = run({all[i]});
    EXPECT_EQ(together[i].tokens, alone[0].tokens) << i;
    for (std::size_t k = 0; k < alone[0].more.size(); ++k) EXPECT_EQ(together[i].more[k].tokens, alone[0].more[k].tokens) << i;
  }
}
