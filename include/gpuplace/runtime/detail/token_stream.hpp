#pragma once
/// @file
/// The way of a request's tokens from the step context to its reader.

#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/scheduler.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// One writer, the step context, which never waits: the buffer holds every token the request may get. One reader at a
/// time, a handler on `where`; at most one is posted or running, and it takes all that is there.
class token_stream : public std::enable_shared_from_this<token_stream> {
public:
  token_stream(boost::asio::any_io_executor where, std::size_t most_tokens, token_sink on_tokens, generation_handler on_end)
      : where_(boost::asio::prefer(std::move(where), boost::asio::execution::outstanding_work.tracked)),
        on_tokens_(std::move(on_tokens)),
        on_end_(std::move(on_end)),
        streams_(on_tokens_ != nullptr) {
    if (streams_) buffer_.resize(most_tokens);
  }

  std::optional<sequence_id> id;  ///< the step context's; set while the scheduler knows the request

  void push(std::span<token_id const> tokens) {
    if (!streams_ || tokens.empty()) return;
    auto const at = written_.load(std::memory_order_relaxed);
    std::copy(tokens.begin(), tokens.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(at));
    written_.store(at + tokens.size(), std::memory_order_release);
    wake();
  }

  void end(result<generation> outcome) {
    outcome_.emplace(std::move(outcome));
    ended_.store(true, std::memory_order_release);
    wake();
  }

private:
  void wake() {
    if (scheduled_.exchange(true, std::memory_order_acq_rel)) return;
    auto const where = where_;  // the reader may drop the stream's own before post() returns
    boost::asio::post(where, [self = shared_from_this()] { self->deliver(); });
  }

  void deliver() {
    std::size_t written = 0;
    do {
      bool const ended = ended_.load(std::memory_order_acquire);
      written = written_.load(std::memory_order_acquire);
      if (auto const from = std::exchange(delivered_, written); from < written)
        on_tokens_({std::span<token_id const>(buffer_).subspan(from, written - from)});
      if (ended) return finish();
      scheduled_.exchange(false, std::memory_order_acq_rel);
      // From here another reader may be under way: only atomics and this call's own numbers may be looked at.
    } while (has_news_since(written) && !scheduled_.exchange(true, std::memory_order_acq_rel));
  }
  bool has_news_since(std::size_t written) const {
    return ended_.load(std::memory_order_acquire) || written_.load(std::memory_order_acquire) != written;
  }

  void finish() {
    auto const work = std::move(where_);
    on_tokens_ = nullptr;
    auto const on_end = std::move(on_end_);
    on_end(std::move(*outcome_));
  }

  boost::asio::any_io_executor where_;
  token_sink on_tokens_;
  generation_handler on_end_;
  bool streams_;
  std::vector<token_id> buffer_;
  std::atomic<std::size_t> written_{0};
  std::size_t delivered_ = 0;  ///< the reader's
  std::atomic<bool> ended_{false};
  std::atomic<bool> scheduled_{false};
  std::optional<result<generation>> outcome_;
};

}  // namespace gpuplace::detail
