#pragma once
/// @file
/// The stages of one replica that this process has, on one GPU or several, as steps pass them.

#include "../executor_plan.hpp"
#include "stage_hop.hpp"
#include "stage_queue.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gpuplace::torch_detail {

/// Steps follow each other through the stages: while one is in the second stage, the next may be in the first. All calls from one thread.
class cuda_pipeline {
public:
  /// Loads all stages, those of different GPUs at the same time.
  /// @param part           where the hidden state comes from and goes to
  /// @param source         names the checkpoint: replicas of this process that load the same one send each other the weights
  /// @param block_numbers  of the largest step
  /// Errors:     as load_on_gpu; what CUDA says, naming the GPU
  static result<cuda_pipeline> load(std::span<stage const> stages, stage_segment const& part, model_config const& config,
                                    checkpoint const& weights, std::string const& source, cache_limits const& limits, dtype type,
                                    std::int64_t block_numbers);

  /// Puts a step into every stage's stream.
  void step(step_block const& rows);
  /// The stage that chooses tokens: its stream has passed a step last.
  stage_queue& last() { return *queues_.back(); }

  void copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to);

  /// Throws where a device has failed that nobody waits for.
  void check_devices() const;
  /// Waits for whatever is in any stream, and passes over what fails.
  void drain() const;

private:
  std::vector<std::unique_ptr<stage_queue>> queues_;
  std::vector<stage_hop> hops_;              ///< hop i leads from stage i to the next
  std::optional<stage_hop> before_, after_;  ///< from and to other processes
};

/// What CUDA or cuBLASLt threw, as an error. After all but a shortage of memory the device answers nothing more to this process. To be
/// called where it is caught, while the device that failed is the current one.
error cuda_error(std::string where);

}  // namespace gpuplace::torch_detail
