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

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// The order in which a batch is fed. A router that cuts a batch into shards would send its first requests all to one
/// instance: taking one of each shard in turn keeps all of them busy while few requests are in flight. A shard that has no
/// request left while its instance has room takes those that the longest shard would feed last, where that one has many left.
class feed_order {
public:
  /// @param slots  sequences that an instance runs at once; 0: unknown, and every shard is fed at once
  feed_order(std::size_t count, std::size_t shards, std::size_t slots)
      : left_(shard_of(count, shards)),
        under_way_(shards, 0),
        slots_(slots > 0 ? slots : std::numeric_limits<std::size_t>::max()),
        most_(slots > 0 ? slots + std::max<std::size_t>(4, slots / 4) : slots_) {}

  struct turn {
    std::size_t index = 0;  ///< of the request
    std::size_t shard = 0;  ///< that feeds it
    bool moved = false;     ///< from another shard
  };

  bool done() const {
    return std::all_of(left_.begin(), left_.end(), [](auto const& shard) { return shard.empty(); });
  }

  /// Nothing where every request is fed, or every shard has enough under way.
  std::optional<turn> next() {
    for (std::size_t tried = 0; tried < left_.size(); ++tried, ++turn_) {
      auto const shard = turn_ % left_.size();
      auto const found = take(shard);
      if (!found) continue;
      ++under_way_[shard], ++turn_;
      return turn{*found, shard, moved_};
    }
    return std::nullopt;
  }
  void ended(std::size_t shard) { --under_way_[shard]; }

private:
  std::optional<std::size_t> take(std::size_t shard) {
    moved_ = left_[shard].empty();
    if (!moved_) return under_way_[shard] < most_ ? std::optional(left_[shard].first++) : std::nullopt;
    if (under_way_[shard] >= slots_) return std::nullopt;
    auto const longest =
        std::max_element(left_.begin(), left_.end(), [](auto const& a, auto const& b) { return a.size() < b.size(); });
    // What an instance runs at once ends at about the same time: a shard with fewer left than that may be no further behind.
    return longest->size() < slots_ ? std::nullopt : std::optional(--longest->last);
  }

  std::vector<index_range> left_;       ///< of each shard
  std::vector<std::size_t> under_way_;  ///< fed by each shard and not ended
  std::size_t slots_, most_;
  std::size_t turn_ = 0;
  bool moved_ = false;
};

/// One batch under way. Everything happens on a strand of the caller's executor.
class batch_feed : public std::enable_shared_from_this<batch_feed> {
public:
  /// Starts one request on an instance, or where none is named, on the one that a router chooses.
  using start_one = std::function<cancel_function(generation_request, std::optional<std::size_t> instance,
                                                  boost::asio::any_io_executor where, placed_sink, generation_handler)>;

  batch_feed(batch_source source, feed_order order, batch_sinks sinks, boost::asio::any_io_executor const& where, start_one start,
             std::function<void(std::size_t)> on_end)
      : source_(std::move(source)),
        order_(std::move(order)),
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
    while (!stopped_ && cancels_.size() < source_.in_flight) {
      auto const next = order_.next();
      if (!next) break;
      begin(*next);
    }
    if (cancels_.empty() && (stopped_ || order_.done()) && on_end_) std::exchange(on_end_, nullptr)(told_);
  }

  void begin(feed_order::turn const& next) {
    auto const i = next.index;
    auto request = source_.read(i);
    if (!request || !*request) order_.ended(next.shard);
    if (!request) return;
    if (!*request) return tell(i, request->error());
    placed_sink sink;
    if (sinks_.on_tokens)
      sink.tokens = [self = shared_from_this(), i](std::size_t instance, token_piece const& fresh) {
        self->sinks_.on_tokens(i, instance, fresh);
      };
    if (sinks_.on_restart) sink.restart = [self = shared_from_this(), i](error const& why) { self->sinks_.on_restart(i, why); };
    cancels_.emplace(i, nullptr);
    cancels_[i] = start_(**std::move(request), next.moved ? std::optional(next.shard) : std::nullopt, where_, std::move(sink),
                         [self = shared_from_this(), i, shard = next.shard](result<generation> g) {
                           self->cancels_.erase(i);
                           self->order_.ended(shard);
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
