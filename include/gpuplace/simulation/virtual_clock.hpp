#pragma once
/// @file
/// Time that moves only when simulated work is done.

#include <gpuplace/core/units.hpp>
#include <gpuplace/runtime/clock.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace gpuplace {

/// A clock and a queue of events on one loop. Each event is a posted handler of its own, so that other handlers of the loop
/// run between two events; time jumps to an event when it is taken and stands still otherwise. Events of one time run in
/// the order in which they were asked for: on a loop with one thread, a simulation gives the same every time.
/// Copies are handles of the same clock.
/// Threads:    now and schedule from any thread; events run on the loop
class virtual_clock {
public:
  using event = std::function<void()>;

  explicit virtual_clock(boost::asio::any_io_executor loop) : state_(std::make_shared<state>(std::move(loop))) {}
  template <class Context>
    requires std::derived_from<Context, boost::asio::execution_context>
  explicit virtual_clock(Context& loop) : virtual_clock(boost::asio::any_io_executor(loop.get_executor())) {}

  /// Since the clock was made.
  seconds now() const { return seconds{state_->now.load(std::memory_order_acquire)}; }

  /// This clock for those who ask for a function.
  clock_function function() const {
    return [clock = *this] { return clock.now(); };
  }

  /// Runs `what` once `delay` has passed; a negative delay is none. Complexity: O(log events)
  void after(seconds delay, event what) {
    auto const at = now() + std::max(delay, seconds{0});
    std::lock_guard const hold(state_->mutex);
    state_->queue.push_back({at, state_->asked++, std::move(what)});
    std::push_heap(state_->queue.begin(), state_->queue.end(), later);
    advance(state_);
  }

  boost::asio::any_io_executor get_executor() const { return state_->loop; }

private:
  struct entry {
    seconds at;
    std::uint64_t order;
    event what;
  };
  static bool later(entry const& a, entry const& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  struct state {
    explicit state(boost::asio::any_io_executor l) : loop(std::move(l)) {}
    boost::asio::any_io_executor loop;
    std::atomic<double> now{0};
    std::mutex mutex;
    std::vector<entry> queue;  ///< a heap, the next event first
    std::uint64_t asked = 0;
    bool posted = false;
  };

  /// Posts the handler of the next event, unless it is posted already. Call with the mutex held.
  static void advance(std::shared_ptr<state> const& s) {
    if (s->queue.empty() || std::exchange(s->posted, true)) return;
    boost::asio::post(s->loop, [s] {
      std::unique_lock hold(s->mutex);
      std::pop_heap(s->queue.begin(), s->queue.end(), later);
      auto next = std::move(s->queue.back());
      s->queue.pop_back();
      s->posted = false;
      s->now.store(next.at.count(), std::memory_order_release);
      hold.unlock();
      next.what();
      hold.lock();
      advance(s);
    });
  }

  std::shared_ptr<state> state_;
};

}  // namespace gpuplace
