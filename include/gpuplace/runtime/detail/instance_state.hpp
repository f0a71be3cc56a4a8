#pragma once
/// @file
/// What a step instance is made of: an inbox from any thread, and a scheduler that lives on the step context.

#include <gpuplace/runtime/clock.hpp>
#include <gpuplace/runtime/detail/token_stream.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>
#include <gpuplace/runtime/scheduler.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Threads:    submit, cancel and load from any thread; the rest on the executor's step context, but for close
template <step_executor E>
class instance_state : public std::enable_shared_from_this<instance_state<E>> {
public:
  using stream_pointer = std::shared_ptr<token_stream>;

  /// @param most_requests  held at once, running or waiting
  instance_state(E executor, clock_function now, std::size_t most_requests)
      : executor_(std::move(executor)),
        limits_(executor_->limits()),
        context_(executor_->get_executor()),
        scheduler_(limits_),
        now_(std::move(now)),
        most_requests_(most_requests) {
    statistics_.slots = limits_.slots;
    inbox_.reserve(inbox_reserve);
    taken_.reserve(inbox_reserve);
  }

  executor_limits const& limits() const { return limits_; }

  void submit(stream_pointer stream, generation_request request) {
    if (requests_.fetch_add(1, std::memory_order_relaxed) >= most_requests_) {
      requests_.fetch_sub(1, std::memory_order_relaxed);
      return stream->refuse({errc::unavailable, "the instance holds " + std::to_string(most_requests_) + " requests already",
                             "request " + std::to_string(request.index),
                             "send it when one of them has ended, or to another instance"});
    }
    auto const tokens = static_cast<std::int64_t>(request.prompt.size());
    send({std::move(stream), std::move(request), now_(), tokens});
  }
  void cancel(stream_pointer stream) {
    if (stream->begin_cancel()) send({std::move(stream), std::nullopt, seconds{0}, 0});
  }

  instance_load load() const {
    auto const read = [](auto const& value) { return value.load(std::memory_order_relaxed); };
    return {.running = read(running_),
            .waiting = read(waiting_) + read(sent_),
            .queued_tokens = read(queued_tokens_) + read(sent_tokens_),
            .kv_used = read(kv_used_),
            .available = read(available_)};
  }

  instance_statistics statistics() const {
    std::lock_guard const hold(statistics_mutex_);
    return statistics_;
  }

  /// Ends every request, waits for the executor's last step and frees it.
  void close() {
    {
      std::lock_guard const hold(inbox_mutex_);
      closed_ = true;
    }
    {
      std::lock_guard const hold(work_mutex_);
      stopping_ = true;
    }
    available_ = false;
    executor_.reset();
    std::lock_guard const hold(work_mutex_);
    take_inbox();
    scheduler_.cancel_all(now_());
    deliver();
  }

private:
  struct message {
    stream_pointer stream;
    std::optional<generation_request> request;  ///< absent: cancel
    seconds at;
    std::int64_t tokens;
  };
  static constexpr std::size_t inbox_reserve = 64;

  void send(message m) {
    std::unique_lock hold(inbox_mutex_);
    if (closed_) {
      hold.unlock();
      if (m.request)
        refuse(*m.stream, {errc::unavailable, "the instance is closing", "instance", "send the request to another instance"});
      return;
    }
    if (m.request) {
      sent_.fetch_add(1, std::memory_order_relaxed);
      sent_tokens_.fetch_add(m.tokens, std::memory_order_relaxed);
    }
    inbox_.push_back(std::move(m));
    if (std::exchange(woken_, true)) return;
    boost::asio::post(context_, [weak = this->weak_from_this()] {
      if (auto const self = weak.lock()) self->woken();
    });
  }

  void woken() {
    std::lock_guard const hold(work_mutex_);
    if (!stopping_) proceed();
  }

  void stepped(result<step_outcome> const& outcome) {
    std::lock_guard const hold(work_mutex_);
    if (stopping_) return;
    if (outcome) count(in_step_.front(), outcome->device_time);
    in_step_.pop_front();
    scheduler_.complete(outcome, now_());
    proceed();
  }

  /// Takes what came in, starts what may start, and only then spends time on telling people.
  void proceed() {
    take_inbox();
    while (auto const* next = scheduler_.next_batch(now_())) {
      scheduler_.drain_released([&](slot_id slot) { executor_->release(slot); });
      if (auto const forked = fork_slots(); !forked) {
        scheduler_.withdraw(forked.error());
        continue;
      }
      in_step_.push_back({static_cast<std::int64_t>(next->rows.size()), next->token_count()});
      executor_->async_step(*next, [weak = this->weak_from_this()](result<step_outcome> outcome) {
        if (auto const self = weak.lock()) self->stepped(outcome);
      });
    }
    publish();  // before anybody hears of an end: a router that then looks sees it
    deliver();
  }

  result<void> fork_slots() {
    return scheduler_.drain_forks([&](slot_fork const& f) -> result<void> {
      GPUPLACE_CHECK(executor_->fork(f.from, f.to, f.from_pages, f.to_pages));
      executor_->truncate(f.to, f.length);
      return {};
    });
  }

  void take_inbox() {
    {
      std::lock_guard const hold(inbox_mutex_);
      std::swap(inbox_, taken_);
      woken_ = false;
    }
    for (auto& m : taken_) m.request ? begin(m) : stop(*m.stream);
    taken_.clear();
  }

  void begin(message& m) {
    sent_.fetch_sub(1, std::memory_order_relaxed);
    sent_tokens_.fetch_sub(m.tokens, std::memory_order_relaxed);
    auto const first = scheduler_.submit(*std::move(m.request), m.at);
    if (!first) return refuse(*m.stream, first.error());
    for (std::size_t sample = 0; sample < m.stream->samples(); ++sample)
      place(m.stream, sample, sample == 0 ? *first : scheduler_.submit_sample(*first, sample, m.at));
  }

  void place(stream_pointer const& stream, std::size_t sample, sequence_id id) {
    if (placed_.size() <= id.index) placed_.resize(id.index + 1);
    stream->id(sample) = id;
    placed_[id.index] = {stream, sample};
  }

  void stop(token_stream& stream) {
    for (std::size_t sample = 0; sample < stream.samples(); ++sample)
      if (auto const& id = stream.id(sample)) scheduler_.cancel(*id, now_());
  }

  void deliver() {
    scheduler_.drain_events([&](scheduler_event& e) {
      auto& [stream, sample] = placed_[e.id.index];
      stream->push(sample, e.tokens, e.logprobs);
      if (!e.end) return;
      stream->id(sample).reset();
      auto const ended = std::exchange(stream, nullptr);
      if (ended->running() == 1) requests_.fetch_sub(1, std::memory_order_relaxed);  // before anybody hears of the end
      ended->end(sample, *std::move(e.end));
    });
  }

  void refuse(token_stream& stream, error why) {
    requests_.fetch_sub(1, std::memory_order_relaxed);
    stream.refuse(std::move(why));
  }

  struct step_size {
    std::int64_t rows = 0;
    std::int64_t tokens = 0;
  };

  void count(step_size const& step, seconds device_time) {
    std::lock_guard const hold(statistics_mutex_);
    ++statistics_.steps;
    statistics_.rows += step.rows;
    statistics_.tokens += step.tokens;
    statistics_.busy += device_time;
  }

  void publish() {
    auto const now = scheduler_.load();
    running_.store(now.running, std::memory_order_relaxed);
    waiting_.store(now.waiting, std::memory_order_relaxed);
    queued_tokens_.store(now.queued_tokens, std::memory_order_relaxed);
    kv_used_.store(now.kv_used, std::memory_order_relaxed);
    available_.store(now.available, std::memory_order_relaxed);
  }

  std::optional<E> executor_;
  executor_limits limits_;
  decltype(std::declval<E&>().get_executor()) context_;
  scheduler scheduler_;
  struct placed {
    stream_pointer stream;
    std::size_t sample = 0;
  };
  std::vector<placed> placed_;  ///< by sequence_id::index
  clock_function now_;
  std::size_t most_requests_;
  std::atomic<std::size_t> requests_{0};

  std::mutex work_mutex_;  ///< the step context against close(); nobody else takes it
  bool stopping_ = false;

  std::mutex inbox_mutex_;
  std::vector<message> inbox_, taken_;
  bool woken_ = false;  ///< a wake-up is under way
  bool closed_ = false;

  std::deque<step_size> in_step_;  ///< of the steps in flight
  mutable std::mutex statistics_mutex_;
  instance_statistics statistics_;

  std::atomic<std::int64_t> running_{0}, waiting_{0}, queued_tokens_{0}, sent_{0}, sent_tokens_{0};
  std::atomic<double> kv_used_{0};
  std::atomic<bool> available_{true};
};

}  // namespace gpuplace::detail
