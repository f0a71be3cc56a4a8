#pragma once
/// @file
/// The step executor of replicas on a GPU.

#include "../torch_executor.hpp"

#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/step_executor.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <optional>
#include <span>

namespace gpuplace::torch_detail {

/// Runs the steps of one replica, or of those of its stages that this process has, on its GPUs, from one thread; several steps are in flight where there are several stages.
/// Threads:    as step_executor says; the destructor from any other thread than the executor's own
class cuda_executor {
public:
  /// Loads the replica. Blocks until the weights are on the device.
  /// @param part     all of the stages where none is named; without the head among them a step's outcome has no tokens
  /// @param weights  held against model.config by check_checkpoint; needed only while loading
  /// Errors:     errc::not_found (no such GPU); errc::invalid_argument (stages that are not the model's chain); errc::unsupported
  ///             (formats); errc::does_not_fit (no room for weights or KV pool)
  static result<cuda_executor> load(model_plan const& planned, replica const& placed, model_description const& model,
                                    checkpoint const& weights, executor_options const& options,
                                    std::optional<stage_segment> part = {});

  cuda_executor(cuda_executor&&) noexcept;
  cuda_executor& operator=(cuda_executor&&) noexcept;
  ~cuda_executor();

  executor_limits limits() const;
  boost::asio::thread_pool::executor_type get_executor() const;
  void async_step(batch const& work, step_handler handler);
  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages);
  void truncate(slot_id slot, std::int64_t length);
  void release(slot_id slot);

  /// Set before the first step.
  void observe_logits(logits_observer observer);

private:
  class state;
  explicit cuda_executor(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

static_assert(check_step_executor<cuda_executor>());

}  // namespace gpuplace::torch_detail
