#pragma once
/// @file
/// Feeds a batch to the instances: so many requests at once, the next when one ends.

#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/runtime/batch_source.hpp>
#include <gpuplace/runtime/detail/routed_request.hpp>
#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>

namespace gpuplace::detail {

/// The order in which a batch is fed. A router that cuts a batch into shards would send its first requests all to one
/// instance: taking one of each shard in turn keeps all of them busy while few requests are in flight.
class feed_order {
public:
  feed_order(std::size_t count, std::size_t shards) : count_(count), shards_(shards) {}

  bool done() const { return fed_ == count_; }
  std::size_t next() {
    for (;; ++turn_) {
      auto const shard = shard_of(count_, shards_, turn_ % shards_);
      auto const at = turn_ / shards_;
      if (at >= shard.size()) continue;
      ++fed_, ++turn_;
      return shard.first + at;
    }
  }

private:
  std::size_t count_, shards_;
  std::size_t turn_ = 0;
  std::size_t fed_ = 0;
};

/// One batch under way. Everything happens on a strand of the caller's executor.
class batch_feed : public std::enable_shared_from_this<batch_feed> {
public:
  /// Starts one request on the instance that a router chooses.
  using start_one =
      std::function<cancel_function(generation_request, boost::asio::any_io_executor where, placed_sink, generation_handler)>;

  batch_feed(batch_source source, feed_order order, batch_sinks sinks, boost::asio::any_io_executor const& where, start_one start,
             std::function<void(std::size_t)> on_end)
      : source_(std::move(source)),
        order_(order),
        sinks_(std::move(sinks)),
        where_(boost::asio::make_strand(where)),
        start_(std::move(start)),
        on_end_(std::move(on_end)) {}

  cancel_function run() {
    boost::asio::post(where_, [self = shared_from_this()] { self->fill(); });
    return [weak = weak_from_this()] {
      if (auto const self = weak.lock()) boost::asio::post(self->where_, [self] { self->cancel(); });
    };
  }

private:
  void fill() {
    while (!stopped_ && !order_.done() && cancels_.size() < source_.in_flight) begin(order_.next());
    if (cancels_.empty() && (stopped_ || order_.done()) && on_end_) std::exchange(on_end_, nullptr)(told_);
  }

  void begin(std::size_t i) {
    auto request = source_.read(i);
    if (!request) return;
    if (!*request) return tell(i, request->error());
    placed_sink sink;
    if (sinks_.on_tokens)
      sink.tokens = [self = shared_from_this(), i](std::size_t instance, token_piece const& fresh) {
        self->sinks_.on_tokens(i, instance, fresh);
      };
    if (sinks_.on_restart) sink.restart = [self = shared_from_this(), i](error const& why) { self->sinks_.on_restart(i, why); };
    cancels_.emplace(i, nullptr);
    cancels_[i] = start_(**std::move(request), where_, std::move(sink), [self = shared_from_this(), i](result<generation> g) {
      self->cancels_.erase(i);
      self->tell(i, g);
      self->fill();
    });
  }

  void tell(std::size_t i, result<generation> const& g) {
    ++told_;
    if (sinks_.on_result) sinks_.on_result(i, g);
  }

  void cancel() {
    if (std::exchange(stopped_, true)) return;
    for (auto const& [i, cancel_one] : cancels_) cancel_one();
    fill();
  }

  batch_source source_;
  feed_order order_;
  batch_sinks sinks_;
  boost::asio::any_io_executor where_;
  start_one start_;
  std::function<void(std::size_t)> on_end_;
  std::unordered_map<std::size_t, cancel_function> cancels_;  ///< of the requests in flight, by index
  std::size_t told_ = 0;
  bool stopped_ = false;
};

}  // namespace gpuplace::detail
