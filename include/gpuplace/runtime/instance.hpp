#pragma once
/// @file
/// A model instance made of a step executor: continuous batching for requests from any thread.

#include <gpuplace/runtime/batch_source.hpp>
#include <gpuplace/runtime/clock.hpp>
#include <gpuplace/runtime/detail/instance_state.hpp>
#include <gpuplace/runtime/execution_backend.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace gpuplace {

/// Owns an executor and runs a scheduler on its step context. Tokens reach their readers through buffers that hold a
/// whole answer, so the slowest reader delays no step.
/// The destructor ends what is in flight as cancelled, waits for the last step and frees the devices' memory; do not call
/// it on the step context of an executor with a thread of its own.
/// Threads:    start and load from any thread
template <step_executor E>
class step_instance {
public:
  /// @param now  where times come from: the machine's clock unless a simulation gives its own
  /// @param most_requests  held at once, running or waiting; more are refused with errc::unavailable, so that a caller who sends
  ///                       without end hears of it before memory does
  explicit step_instance(E executor, clock_function now = steady_seconds, std::size_t most_requests = default_requests_held)
      : state_(std::make_shared<detail::instance_state<E>>(std::move(executor), std::move(now), most_requests)) {}
  step_instance(step_instance&&) noexcept = default;
  step_instance& operator=(step_instance&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~step_instance() { close(); }

  /// Begins a request; see model_instance. A request that can never run ends at once with the error of check_request.
  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                        generation_handler on_end) {
    auto const prompt = static_cast<std::int64_t>(request.prompt.size());
    auto const most = std::max<std::int64_t>(0, longest(request, state_->limits()) - prompt);
    auto const samples = static_cast<std::size_t>(std::clamp<std::int64_t>(request.n, 1, state_->limits().slots));
    auto stream = std::make_shared<detail::token_stream>(std::move(where), samples, static_cast<std::size_t>(most),
                                                         request.logprobs.has_value(), std::move(on_tokens), std::move(on_end));
    state_->submit(stream, std::move(request));
    return [state = std::weak_ptr(state_), ended = std::weak_ptr(stream)] {
      auto const alive = state.lock();
      auto running = ended.lock();
      if (alive && running) alive->cancel(std::move(running));
    };
  }

  /// Waits for no lock; each number is of the last step.
  instance_load load() const { return state_->load(); }
  instance_statistics statistics() const { return state_->statistics(); }
  executor_limits const& limits() const { return state_->limits(); }

private:
  void close() {
    if (state_) state_->close();
    state_.reset();
  }

  std::shared_ptr<detail::instance_state<E>> state_;
};

}  // namespace gpuplace
