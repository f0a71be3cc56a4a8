#pragma once
/// @file
/// The instances of one plan and the ways to start and use them.

#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/routing/routing_strategy.hpp>
#include <gpuplace/runtime/batch_source.hpp>
#include <gpuplace/runtime/detail/batch_feed.hpp>
#include <gpuplace/runtime/detail/routed_request.hpp>
#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// Threads:    all but close from any thread; close once, when nobody else calls
template <routing_strategy R, execution_backend B>
class fleet_state : public std::enable_shared_from_this<fleet_state<R, B>> {
public:
  using instance = typename B::instance;
  using start_handler = std::function<void(result<void>)>;
  using batch_handler = std::function<void(std::vector<result<generation>>)>;

  fleet_state(result<plan> placed, device_group view, workload work, R router, B backend)
      : placed_(std::move(placed)),
        view_(std::move(view)),
        work_(std::move(work)),
        router_(std::move(router)),
        backend_(std::move(backend)) {
    if (placed_) whole_ = std::make_shared<plan const>(*placed_);
  }

  result<plan> const& placed() const { return placed_; }

  std::vector<instance_load> load() const {
    std::vector<instance_load> all;
    look(all);
    return all;
  }

  std::vector<instance_statistics> statistics() const {
    std::vector<instance_statistics> all(phase_ == phase::running ? instances_.size() : 0);
    if constexpr (has_statistics<instance>)
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = instances_[i].statistics();
    return all;
  }

  cancel_function start(boost::asio::any_io_executor where, start_handler on_end) {
    if (auto const fit = startable(); !fit) return refuse<result<void>>(where, std::move(on_end), fit.error());
    auto expected = phase::idle;
    if (!phase_.compare_exchange_strong(expected, phase::starting))
      return refuse<result<void>>(where, std::move(on_end),
                                  error{errc::invalid_argument, "it was started before", "async_start", {}});
    auto const replicas = whole_->models[0].replicas.size();
    auto const now = std::make_shared<loading>(
        replicas, boost::asio::prefer(std::move(where), boost::asio::execution::outstanding_work.tracked), std::move(on_end));
    loaders_.emplace(std::min<std::size_t>(replicas, std::max(2U, std::thread::hardware_concurrency())));
    for (std::size_t i = 0; i < replicas; ++i)
      boost::asio::post(*loaders_, [this, now, i] {
        now->started[i].outcome.emplace(load_one(i));
        if (now->remaining.fetch_sub(1) == 1) finish_start(*now);
      });
    return [weak = this->weak_from_this()] {
      if (auto const self = weak.lock()) self->abandoned_ = true;
    };
  }

  cancel_function generate(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                           generation_handler on_end) {
    placed_sink sink;
    if (on_tokens) sink.tokens = [on_tokens = std::move(on_tokens)](std::size_t, token_piece const& fresh) { on_tokens(fresh); };
    return route(std::move(request), true, std::nullopt, where, std::move(sink), std::move(on_end));
  }

  /// Starts a request on one instance; refuses it once the fleet closes.
  cancel_function start_on(std::size_t at, generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                           generation_handler on_end) {
    std::shared_lock const open(closing_);
    if (phase_ != phase::running)
      return refuse<result<generation>>(
          where, std::move(on_end),
          error{errc::unavailable, "the fleet is closing", "request " + std::to_string(request.index), {}});
    return instances_[at].start(std::move(request), std::move(where), std::move(on_tokens), std::move(on_end));
  }

  cancel_function generate_all(std::vector<generation_request> requests, batch_sinks sinks, boost::asio::any_io_executor where,
                               batch_handler on_end) {
    auto const all = std::make_shared<gathering>(std::move(requests), std::move(sinks));
    return generate_from({.count = all->requests.size(), .read = [all](std::size_t i) { return std::move(all->requests[i]); }},
                         {.on_tokens = all->sinks.on_tokens,
                          .on_restart = all->sinks.on_restart,
                          .on_result = [all](std::size_t i, auto const& g) { all->take(i, g); }},
                         std::move(where), [all, on_end = std::move(on_end)](std::size_t) { on_end(std::move(all->results)); });
  }

  cancel_function generate_from(batch_source source, batch_sinks sinks, boost::asio::any_io_executor where,
                                std::function<void(std::size_t)> on_end) {
    auto const shards = wants_count(router_) ? std::max<std::size_t>(1, instances_.size()) : 1;
    feed_order order(source.count, shards, shards > 1 ? most_slots() : 0);
    if constexpr (has_begin<R>) router_.begin(source.count);
    auto one = [self = this->shared_from_this()](generation_request request, std::optional<std::size_t> at, auto&&... parts) {
      return self->route(std::move(request), false, at, std::forward<decltype(parts)>(parts)...);
    };
    return std::make_shared<batch_feed>(std::move(source), std::move(order), std::move(sinks), where, std::move(one),
                                        std::move(on_end))
        ->run();
  }

  /// Gives up what is being loaded, ends what runs, and frees the devices.
  void close() {
    abandoned_ = true;
    if (loaders_) loaders_->join();
    {
      std::unique_lock const nobody_else(closing_);
      phase_ = phase::closed;
    }
    instances_.clear();
  }

private:
  using routed = routed_request<fleet_state>;
  friend routed;
  enum class phase { idle, starting, running, closed };

  struct loading {
    loading(std::size_t replicas, boost::asio::any_io_executor w, start_handler h)
        : started(replicas), remaining(replicas), where(std::move(w)), on_end(std::move(h)) {}
    /// A type of its own keeps result's swap out of argument-dependent lookup for the vector's iterators: an instance
    /// that is constructible from anything, as an erased one is, would there be asked whether it is made of iterators.
    struct place {
      std::optional<result<instance>> outcome;
    };
    std::vector<place> started;
    std::atomic<std::size_t> remaining;
    boost::asio::any_io_executor where;
    start_handler on_end;
  };

  /// A batch that is all in memory: what was not begun when it was cancelled counts as cancelled.
  struct gathering {
    gathering(std::vector<generation_request> asked, batch_sinks told)
        : requests(std::move(asked)),
          results(requests.size(), generation{.reason = finish_reason::cancelled}),
          sinks(std::move(told)) {
      for (std::size_t i = 0; i < requests.size(); ++i) requests[i].index = i;
    }
    void take(std::size_t i, result<generation> const& g) {
      results[i] = g;
      if (sinks.on_result) sinks.on_result(i, g);
    }
    std::vector<generation_request> requests;
    std::vector<result<generation>> results;
    batch_sinks sinks;
  };

  /// Sequences that an instance runs at once; 0 where the instances do not say.
  std::size_t most_slots() const {
    std::int64_t most = 0;
    for (auto const& s : statistics()) most = std::max(most, s.slots);
    return static_cast<std::size_t>(most);
  }

  /// @param at  the instance that has room for a request which another would get later
  cancel_function route(generation_request request, bool alone, std::optional<std::size_t> at,
                        boost::asio::any_io_executor const& where, placed_sink sink, generation_handler on_end) {
    auto const chosen = at && takes_requests(*at) ? result<std::size_t>(*at) : choose(request, alone);
    if (!chosen) return refuse<result<generation>>(where, std::move(on_end), chosen.error());
    return std::make_shared<routed>(this->shared_from_this(), std::move(request), instances_.size(), where, std::move(sink),
                                    std::move(on_end))
        ->run(*chosen);
  }

  bool takes_requests(std::size_t at) const {
    std::shared_lock const open(closing_);
    return phase_ == phase::running && at < instances_.size() && instances_[at].load().available;
  }

  template <class Value, class Handler>
  static cancel_function refuse(boost::asio::any_io_executor const& where, Handler on_end, error why) {
    boost::asio::post(where, [on_end = std::move(on_end), why = std::move(why)] { on_end(Value(why)); });
    return [] {};
  }

  result<void> startable() const {
    if (!placed_) return placed_.error();
    if (whole_->models.size() != 1 || work_.models.size() != 1)
      return error{errc::unsupported, "the plan has " + std::to_string(whole_->models.size()) + " models, a fleet serves one",
                   "plan", "plan each model by itself to run it"};
    if (whole_->models[0].replicas.empty()) return error{errc::invalid_argument, "the plan has no replica", "plan", {}};
    auto const& planned = whole_->models[0].fingerprint;
    auto const& here = work_.models[0].model.fingerprint;
    if (!planned.empty() && !here.empty() && !same_model(planned, here))
      return error{errc::mismatch, "the plan was made for another model: its fingerprint is " + planned + ", here it is " + here,
                   whole_->models[0].name, "plan again for this model"};
    return {};
  }

  result<instance> load_one(std::size_t replica) {
    if (abandoned_) return error{errc::cancelled, "starting was cancelled", "replica " + std::to_string(replica), {}};
    return backend_.start({whole_, 0, replica, work_.models[0].model, view_});
  }

  /// On the loader that was last.
  void finish_start(loading& now) {
    result<void> outcome;
    for (auto const& one : now.started)
      if (outcome && !*one.outcome) outcome = one.outcome->error();
    if (outcome && abandoned_) outcome = error{errc::cancelled, "starting was cancelled", "async_start", {}};
    if (outcome)
      for (auto& one : now.started) instances_.push_back(**std::move(one.outcome));
    now.started.clear();
    phase_ = outcome ? phase::running : phase::idle;
    if (!outcome) abandoned_ = false;
    boost::asio::post(now.where, [on_end = std::move(now.on_end), outcome] { on_end(outcome); });
  }

  void look(std::vector<instance_load>& all) const {
    all.clear();
    if (phase_ != phase::running) return;
    for (auto const& i : instances_) all.push_back(i.load());
  }

  /// @param alone  whether the request is no part of a batch, or is no longer
  result<std::size_t> choose(generation_request const& request, bool alone) const {
    std::shared_lock const open(closing_);
    if (phase_ != phase::running)
      return error{errc::unavailable, "nothing is started yet", "async_generate", "wait for async_start to complete"};
    thread_local std::vector<instance_load> snapshot;
    look(snapshot);
    routing_request asked;
    asked.index = request.index;
    asked.alone = alone;
    asked.prompt_tokens = request.prompt.size();
    asked.adapter = request.adapter;
    asked.prompt = request.prompt;
    auto const made = router_.route(asked, fleet_view(snapshot));
    if (!made)
      return error{errc::unavailable, "no instance takes requests now", "request " + std::to_string(request.index),
                   "start the deployment again"};
    if (made.shares().size() != 1)
      return error{errc::unsupported, "the router " + std::string(router_.name) + " splits a request",
                   "request " + std::to_string(request.index), "use a router that chooses one instance"};
    if (made.instance() >= snapshot.size())
      return error{errc::mismatch,
                   "the router " + std::string(router_.name) + " chose instance " + std::to_string(made.instance()) + " of " +
                       std::to_string(snapshot.size()),
                   "request " + std::to_string(request.index),
                   {}};
    return made.instance();
  }

  void observe(std::size_t at, result<generation> const& g) const {
    if constexpr (has_observe<R>) router_.observe({at, g.has_value(), g ? g->tokens.size() : 0, g ? g->total.count() : 0});
  }

  result<plan> placed_;
  std::shared_ptr<plan const> whole_;
  device_group view_;
  workload work_;
  R router_;
  B backend_;
  std::atomic<phase> phase_{phase::idle};
  std::atomic<bool> abandoned_{false};
  mutable std::shared_mutex closing_;  ///< held shared by those who use instances_, who may be handlers of the fleet's own
  std::vector<instance> instances_;    ///< written before phase::running, then only by close
  std::optional<boost::asio::thread_pool> loaders_;
};

}  // namespace detail
}  // namespace gpuplace
