#pragma once
/// @file
/// Rank 0's executor of a replica whose stages other ranks run, all of them or some.

#include "rank_group.hpp"

#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <vector>

namespace gpuplace::torch_detail {

/// The part of a replica that rank 0 itself runs, whatever executor that is.
class own_part {
public:
  virtual ~own_part() = default;
  virtual std::future<result<step_outcome>> step(batch const& work) = 0;
  virtual result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages) = 0;
};

/// @tparam E  the executor's type: torch_executor or cuda_executor
template <step_executor E>
class own_part_of final : public own_part {
public:
  explicit own_part_of(E executor) : executor_(std::move(executor)) {}

  std::future<result<step_outcome>> step(batch const& work) override {
    auto const promise = std::make_shared<std::promise<result<step_outcome>>>();
    boost::asio::post(executor_.get_executor(), [this, &work, promise] {
      executor_.async_step(work, [promise](result<step_outcome> outcome) { promise->set_value(std::move(outcome)); });
    });
    return promise->get_future();
  }
  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages) override {
    std::promise<result<void>> done;
    boost::asio::post(executor_.get_executor(), [&] { done.set_value(executor_.fork(from, to, from_pages, to_pages)); });
    return done.get_future().get();
  }

private:
  E executor_;
};

/// Sends every step to the ranks that have the replica's stages, and takes the tokens from the one with the head. Steps follow each
/// other through the ranks.
/// Threads:    as step_executor says
class remote_executor {
public:
  /// Blocks until every rank has loaded its part.
  /// @param ranks  that run stages of the replica, in the stages' order; rank 0 may be among them
  /// @param mine   rank 0's own part, if it has one
  /// Errors:     what a rank says that could not load; errc::device_lost for a rank that is gone
  static result<remote_executor> start(std::shared_ptr<rank_group> group, std::size_t replica, std::vector<int> ranks,
                                       executor_limits limits, std::unique_ptr<own_part> mine);

  remote_executor(remote_executor&&) noexcept;
  remote_executor& operator=(remote_executor&&) noexcept;
  ~remote_executor();

  executor_limits limits() const;
  boost::asio::thread_pool::executor_type get_executor() const;
  void async_step(batch const& work, step_handler handler);
  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages);
  void truncate(slot_id slot, std::int64_t length);
  void release(slot_id slot);

private:
  class state;
  explicit remote_executor(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

static_assert(check_step_executor<remote_executor>());

}  // namespace gpuplace::torch_detail
