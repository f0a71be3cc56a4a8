#pragma once
// Ctrl-C: the first ends a run cleanly, the second at once.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

namespace gpuplace::cli {

// While it lives, SIGINT and SIGTERM cancel the operations that are bound to `slot()`.
class interrupt {
public:
  explicit interrupt(boost::asio::io_context& loop);

  boost::asio::cancellation_slot slot() { return cancel_.slot(); }
  void cancel() { cancel_.emit(boost::asio::cancellation_type::terminal); }
  bool seen() const { return seen_; }

  // No longer waits for signals, so that the loop can end.
  void done() { signals_.cancel(); }

private:
  boost::asio::signal_set signals_;
  boost::asio::cancellation_signal cancel_;
  bool seen_ = false;
};

}  // namespace gpuplace::cli
