#pragma once
/// @file
/// The step executor of the torch backend.

#include "executor_plan.hpp"

#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/step_executor.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace at {
class Tensor;
}

namespace gpuplace::torch_detail {

/// Sees the fp32 logits of a step's samples before tokens are chosen, some rows at a time, in order; for tests.
using logits_observer = std::function<void(at::Tensor const&)>;

struct executor_options {
  int threads = 1;  ///< of the replica's CPU stages together
  std::int64_t page_tokens = 16;
  std::int64_t step_tokens = 0;  ///< 0: as demand::max_step_tokens
  std::string cpu_level;         ///< an instruction level by name; empty: the best that the machine has
};

/// Runs the steps of one replica, or of those of its stages that this process has, on a thread of its own: the stages in turn, each on
/// its device. Without the head among them a step's outcome has no tokens.
/// Threads:    as step_executor says; the destructor from any other thread than the executor's own
class torch_executor {
public:
  /// Loads the replica's stages. Blocks until the weights are on their devices.
  /// @param part     all of the stages where none is named
  /// @param weights  held against model.config by check_checkpoint; tensors in the replica's number format stay in its files
  /// Errors:     errc::invalid_argument (stages that are not the model's chain), errc::unsupported (device kinds, formats),
  ///             errc::does_not_fit (no room for the KV pool or the weights)
  static result<torch_executor> load(model_plan const& planned, replica const& placed, model_description const& model,
                                     std::shared_ptr<checkpoint const> weights, executor_options const& options,
                                     std::optional<stage_segment> part = {});

  torch_executor(torch_executor&&) noexcept;
  torch_executor& operator=(torch_executor&&) noexcept;
  ~torch_executor();

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
  explicit torch_executor(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

static_assert(check_step_executor<torch_executor>());

}  // namespace gpuplace::torch_detail
