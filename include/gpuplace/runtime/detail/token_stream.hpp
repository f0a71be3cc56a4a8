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

/// One writer, the step context, which never waits: the buffers hold every token the request may get. One reader at a
/// time, a handler on `where`; at most one is posted or running, and it takes all that is there.
class token_stream : public std::enable_shared_from_this<token_stream> {
public:
  /// @param samples      answers that the request asks for
  /// @param most_tokens  of each of them
  token_stream(boost::asio::any_io_executor where, std::size_t samples, std::size_t most_tokens, bool logprobs,
               token_sink on_tokens, generation_handler on_end)
      : where_(boost::asio::prefer(std::move(where), boost::asio::execution::outstanding_work.tracked)),
        on_tokens_(std::move(on_tokens)),
        on_end_(std::move(on_end)),
        streams_(on_tokens_ != nullptr),
        lanes_(samples),
        running_(samples) {
    if (!streams_) return;
    for (auto& lane : lanes_) {
      lane.tokens.resize(most_tokens);
      if (logprobs) lane.logprobs.resize(most_tokens);
    }
  }

  std::size_t samples() const { return lanes_.size(); }

  /// The step context's; set while the scheduler knows the sample.
  std::optional<sequence_id>& id(std::size_t sample) { return lanes_[sample].id; }

  /// True for the first who asks to cancel.
  bool begin_cancel() { return !cancelled_.exchange(true, std::memory_order_relaxed); }

  void push(std::size_t sample, std::span<token_id const> tokens, std::span<token_logprobs const> logprobs) {
    if (!streams_ || tokens.empty()) return;
    auto& lane = lanes_[sample];
    auto const at = lane.written.load(std::memory_order_relaxed);
    std::copy(tokens.begin(), tokens.end(), lane.tokens.begin() + static_cast<std::ptrdiff_t>(at));
    if (!lane.logprobs.empty())
      std::copy(logprobs.begin(), logprobs.end(), lane.logprobs.begin() + static_cast<std::ptrdiff_t>(at));
    lane.written.store(at + tokens.size(), std::memory_order_release);
    written_.fetch_add(tokens.size(), std::memory_order_release);
    wake();
  }

  /// Samples that have not ended.
  std::size_t running() const { return running_; }

  /// The end of one sample, and with the last one that of the request.
  void end(std::size_t sample, result<generation> outcome) {
    lanes_[sample].outcome.emplace(std::move(outcome));
    if (--running_ > 0) return;
    ended_.store(true, std::memory_order_release);
    wake();
  }

  /// Ends a request that never ran.
  void refuse(error why) {
    for (std::size_t sample = 0; sample < lanes_.size(); ++sample) end(sample, why);
  }

private:
  struct sample_lane {
    std::optional<sequence_id> id;
    std::vector<token_id> tokens;
    std::vector<token_logprobs> logprobs;
    std::atomic<std::size_t> written{0};
    std::size_t delivered = 0;  ///< the reader's
    std::optional<result<generation>> outcome;
  };

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
      for (std::size_t sample = 0; streams_ && sample < lanes_.size(); ++sample) tell(sample);
      if (ended) return finish();
      scheduled_.exchange(false, std::memory_order_acq_rel);
      // From here another reader may be under way: only atomics and this call's own numbers may be looked at.
    } while (has_news_since(written) && !scheduled_.exchange(true, std::memory_order_acq_rel));
  }
  bool has_news_since(std::size_t written) const {
    return ended_.load(std::memory_order_acquire) || written_.load(std::memory_order_acquire) != written;
  }

  void tell(std::size_t sample) {
    auto& lane = lanes_[sample];
    auto const written = lane.written.load(std::memory_order_acquire);
    auto const from = std::exchange(lane.delivered, written);
    if (from == written) return;
    auto const fresh = [&](auto const& all) {
      return std::span(all).subspan(all.empty() ? 0 : from, all.empty() ? 0 : written - from);
    };
    on_tokens_({fresh(lane.tokens), sample, fresh(lane.logprobs)});
  }

  void finish() {
    auto const work = std::move(where_);
    on_tokens_ = nullptr;
    auto const on_end = std::move(on_end_);
    on_end(joined());
  }

  /// The samples as one answer, or the first error among them.
  result<generation> joined() {
    for (auto const& lane : lanes_)
      if (!*lane.outcome) return lane.outcome->error();
    auto first = std::move(**lanes_[0].outcome);
    for (std::size_t sample = 1; sample < lanes_.size(); ++sample) first.more.push_back(std::move(**lanes_[sample].outcome));
    return first;
  }

  boost::asio::any_io_executor where_;
  token_sink on_tokens_;
  generation_handler on_end_;
  bool streams_;
  std::vector<sample_lane> lanes_;
  std::size_t running_;                  ///< the writer's
  std::atomic<std::size_t> written_{0};  ///< tokens of all samples
  std::atomic<bool> ended_{false};
  std::atomic<bool> scheduled_{false};
  std::atomic<bool> cancelled_{false};
};

}  // namespace gpuplace::detail
