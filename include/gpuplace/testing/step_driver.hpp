#pragma once
/// @file
/// Runs a step executor one step at a time from a test.

#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

namespace gpuplace::testing {

/// Waits for an executor whose step context has a thread of its own. For one that runs on a loop, give a function that
/// runs the loop until the flag is set.
struct wait_for_thread {
  void operator()(std::atomic<bool> const& done) const { done.wait(false); }
};

/// Steps and edits of one executor, each on its step context and waited for.
/// @tparam Wait  callable as void(std::atomic<bool> const&): returns when the flag is set
template <step_executor E, class Wait = wait_for_thread>
class step_driver {
public:
  explicit step_driver(E& executor, Wait wait = {}) : executor_(&executor), wait_(std::move(wait)) {}

  result<step_outcome> step(batch const& work) {
    struct answer {
      std::atomic<bool> done{false};
      bool inline_call = true;
      bool was_inline = false;
      int calls = 0;
      std::optional<result<step_outcome>> outcome;
    };
    auto const got = std::make_shared<answer>();
    boost::asio::post(executor_->get_executor(), [this, got, &work] {
      executor_->async_step(work, [got](result<step_outcome> outcome) {
        got->was_inline = got->inline_call;
        ++got->calls;
        got->outcome.emplace(std::move(outcome));
        got->done = true;
        got->done.notify_all();
      });
      got->inline_call = false;
    });
    wait_(got->done);
    // Whatever the handler left behind it on the step context has run once an edit after it has.
    edit([] {});
    handlers_are_posted = handlers_are_posted && !got->was_inline;
    handlers_run_once = handlers_run_once && got->calls == 1;
    return std::move(*got->outcome);
  }

  /// Runs `f` on the step context.
  template <class F>
  void edit(F f) {
    auto const done = std::make_shared<std::atomic<bool>>(false);
    boost::asio::post(executor_->get_executor(), [done, f = std::move(f)]() mutable {
      f();
      done->store(true);
      done->notify_all();
    });
    wait_(*done);
  }

  E& executor() { return *executor_; }
  bool handlers_are_posted = true;
  bool handlers_run_once = true;

private:
  E* executor_;
  Wait wait_;
};

}  // namespace gpuplace::testing
