#include "remote_executor.hpp"

#include "step_messages.hpp"

#include <boost/asio/dispatch.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <optional>
#include <utility>

namespace gpuplace::torch_detail {
namespace {

/// What sending to a rank or receiving from it threw.
error gone() {
  try {
    throw;
  } catch (std::exception const& e) {
    return {errc::device_lost, e.what(), "ranks", "see that process's messages for why it ended"};
  }
}

}  // namespace

class remote_executor::state {
public:
  state(std::shared_ptr<rank_group> group, std::size_t replica, std::vector<int> ranks, executor_limits limits,
        std::unique_ptr<own_part> mine)
      : group_(std::move(group)),
        replica_(replica),
        ranks_(std::move(ranks)),
        limits_(limits),
        mine_(std::move(mine)),
        thread_(1) {}
  ~state() {
    thread_.stop();
    thread_.join();
    for (auto& f : flights_) (void)finish(std::move(f));  // every rank has them: none may be left waiting for another
    try {
      tell(encode_end());
      for (auto const rank : ranks_)
        if (rank != 0) group_->flush(rank, order_tag(replica_));
    } catch (std::exception const&) {
      return;  // whoever is gone needs not be told
    }
  }

  result<void> wait_until_loaded() {
    try {
      for (auto const rank : ranks_)
        if (rank != 0) GPUPLACE_CHECK(decode_answer(group_->receive_message(rank, answer_tag(replica_))));
      return {};
    } catch (...) {
      return gone();
    }
  }

  void async_step(batch const& work, step_handler handler) {
    boost::asio::dispatch(thread_, [this, &work] { flights_.push_back(start(work)); });
    boost::asio::post(thread_, [this, handler = std::move(handler)] {
      auto outcome = finish(std::exchange(flights_.front(), {}));
      flights_.pop_front();
      handler(std::move(outcome));
    });
  }

  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages) {
    try {
      tell(encode_fork(from, to, from_pages, to_pages));
      return mine_ ? mine_->fork(from, to, from_pages, to_pages) : result<void>();
    } catch (...) {
      return gone();
    }
  }

  executor_limits const& limits() const { return limits_; }
  auto get_executor() { return thread_.get_executor(); }

private:
  using clock = std::chrono::steady_clock;
  struct flight {
    clock::time_point begin;
    std::optional<error> failed;
    std::optional<std::future<result<step_outcome>>> mine;
  };

  void tell(std::vector<std::byte> const& message) {
    for (auto const rank : ranks_)
      if (rank != 0) group_->post_message(rank, order_tag(replica_), message);
  }

  flight start(batch const& work) {
    flight now{clock::now(), {}, {}};
    try {
      tell(encode_step(work));
      if (mine_) now.mine = mine_->step(work);
    } catch (...) {
      now.failed = gone();
    }
    return now;
  }

  result<step_outcome> finish(flight now) {
    if (now.failed) return *now.failed;
    try {
      std::optional<result<step_outcome>> outcome;
      if (now.mine) outcome = now.mine->get();
      if (ranks_.back() != 0) {
        auto answer = decode_answer(group_->receive_message(ranks_.back(), answer_tag(replica_)));
        if (!outcome || *outcome || !answer) outcome = std::move(answer);
      }
      if (!*outcome) return outcome->error();
      auto const end = clock::now();
      (*outcome)->device_time = end - std::max(now.begin, last_end_);
      last_end_ = end;
      return *std::move(outcome);
    } catch (...) {
      return gone();
    }
  }

  std::shared_ptr<rank_group> group_;
  std::size_t replica_;
  std::vector<int> ranks_;
  executor_limits limits_;
  std::unique_ptr<own_part> mine_;
  std::deque<flight> flights_;
  clock::time_point last_end_;
  boost::asio::thread_pool thread_;  ///< last: it goes first
};

result<remote_executor> remote_executor::start(std::shared_ptr<rank_group> group, std::size_t replica, std::vector<int> ranks,
                                               executor_limits limits, std::unique_ptr<own_part> mine) {
  remote_executor made(std::make_unique<state>(std::move(group), replica, std::move(ranks), limits, std::move(mine)));
  GPUPLACE_CHECK(made.state_->wait_until_loaded());
  return made;
}

remote_executor::remote_executor(std::unique_ptr<state> made) : state_(std::move(made)) {}
remote_executor::remote_executor(remote_executor&&) noexcept = default;
remote_executor& remote_executor::operator=(remote_executor&&) noexcept = default;
remote_executor::~remote_executor() = default;

executor_limits remote_executor::limits() const { return state_->limits(); }
boost::asio::thread_pool::executor_type remote_executor::get_executor() const { return state_->get_executor(); }
void remote_executor::async_step(batch const& work, step_handler handler) { state_->async_step(work, std::move(handler)); }
result<void> remote_executor::fork(slot_id from, slot_id to, std::span<page_id const> from_pages,
                                   std::span<page_id const> to_pages) {
  return state_->fork(from, to, from_pages, to_pages);
}
/// Which tokens of its pages a sequence has comes with every batch: nothing is kept between steps.
void remote_executor::truncate(slot_id, std::int64_t) {}
void remote_executor::release(slot_id) {}

}  // namespace gpuplace::torch_detail
