#pragma once
/// @file
/// Turns an operation that takes a handler and gives a cancel function into one that takes any completion token.

#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace gpuplace::detail {

/// Joins a cancellation that may come at any time with a cancel function that is known a little after the start.
class late_cancel {
public:
  void cancel() {
    std::unique_lock hold(mutex_);
    wanted_ = true;
    auto const call = cancel_;
    hold.unlock();
    if (call) call();
  }
  void set(cancel_function cancel) {
    std::unique_lock hold(mutex_);
    cancel_ = std::move(cancel);
    auto const call = wanted_ ? cancel_ : cancel_function{};
    hold.unlock();
    if (call) call();
  }

private:
  std::mutex mutex_;
  cancel_function cancel_;
  bool wanted_ = false;
};

/// Starts an operation that completes once with a `Value`, on the handler's associated executor.
/// @param fallback  the executor of handlers that have none
/// @param start     cancel_function start(any_io_executor where, std::function<void(Value)> on_end); runs `on_end` on
///                  `where` as a posted handler
template <class Value, class Token, class Start>
auto async_operation(boost::asio::any_io_executor fallback, Token&& token, Start start) {
  return boost::asio::async_initiate<Token, void(Value)>(
      [](auto handler, boost::asio::any_io_executor otherwise, Start begin) {
        boost::asio::any_io_executor const where = boost::asio::get_associated_executor(handler, otherwise);
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        auto const stop = std::make_shared<late_cancel>();
        if (slot.is_connected()) slot.assign([stop](boost::asio::cancellation_type) { stop->cancel(); });
        auto const held = std::make_shared<decltype(handler)>(std::move(handler));
        std::function<void(Value)> on_end = [held, slot](Value value) mutable {
          if (slot.is_connected()) slot.clear();
          auto call = std::move(*held);
          std::move(call)(std::move(value));
        };
        stop->set(begin(where, std::move(on_end)));
      },
      token, std::move(fallback), std::move(start));
}

}  // namespace gpuplace::detail
