#pragma once
/// @file
/// One request of a fleet on its way: to the instance that the router chose, and to another when that one is lost.

#include <gpuplace/runtime/detail/async_operation.hpp>
#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace gpuplace::detail {

/// Hears how one request goes on; either may be empty.
struct placed_sink {
  std::function<void(std::size_t instance, token_piece const&)> tokens;  ///< new tokens and the instance they come from
  std::function<void(error const&)> restart;                             ///< what was told is void: the request begins again
};

/// A request whose instance loses a device begins again on another instance, at most once on each. Who heard tokens of it must
/// be able to take them back: without a `restart` such a request ends with errc::device_lost.
/// @tparam Fleet  has  choose(request, alone),  start_on(instance, request, where, sink, handler)  and  observe(instance, result)
template <class Fleet>
class routed_request : public std::enable_shared_from_this<routed_request<Fleet>> {
public:
  /// @param attempts  how many instances may be tried
  routed_request(std::shared_ptr<Fleet> fleet, generation_request request, std::size_t attempts, boost::asio::any_io_executor where,
                 placed_sink sink, generation_handler on_end)
      : fleet_(std::move(fleet)),
        request_(std::move(request)),
        attempts_(attempts),
        where_(std::move(where)),
        sink_(std::move(sink)),
        on_end_(std::move(on_end)) {}

  cancel_function run(std::size_t at) {
    go(at);
    return [weak = this->weak_from_this()] {
      auto const self = weak.lock();
      if (!self) return;
      self->cancelled_ = true;
      self->stop_.cancel();
    };
  }

private:
  void go(std::size_t at) {
    auto request = --attempts_ > 0 ? request_ : std::move(request_);
    token_sink sink;
    if (sink_.tokens)
      sink = [self = this->shared_from_this(), at](token_piece const& fresh) {
        self->told_ = true;
        self->sink_.tokens(at, fresh);
      };
    stop_.set(fleet_->start_on(at, std::move(request), where_, std::move(sink),
                               [self = this->shared_from_this(), at](result<generation> g) { self->ended(at, std::move(g)); }));
  }

  void ended(std::size_t at, result<generation> g) {
    if (g) g->instance = at;
    fleet_->observe(at, g);
    bool const lost = !g && g.error().code == errc::device_lost;
    bool const free_to_restart = !told_ || sink_.restart;
    if (lost && free_to_restart && attempts_ > 0 && !cancelled_)
      if (auto const other = fleet_->choose(request_, true); other && *other != at) {
        if (sink_.restart) sink_.restart(g.error());
        told_ = false;
        return go(*other);
      }
    auto const on_end = std::move(on_end_);
    on_end(std::move(g));
  }

  std::shared_ptr<Fleet> fleet_;
  generation_request request_;
  std::size_t attempts_;
  boost::asio::any_io_executor where_;
  placed_sink sink_;
  generation_handler on_end_;
  late_cancel stop_;
  std::atomic<bool> cancelled_{false};
  bool told_ = false;  ///< the reader's, as are all but the cancellation
};

}  // namespace gpuplace::detail
