#pragma once
/// @file
/// One stage of a replica and the stream in which its steps follow each other.

#include "cuda_stage.hpp"
#include "runtime.hpp"
#include "stage_hop.hpp"
#include "step_block.hpp"

#include <gpuplace/runtime/step_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

namespace gpuplace::torch_detail {

/// Puts steps into the stream of one GPU; nothing here waits for a device, but for the first step of each number of rows. Steps in which
/// every row decodes one token are recorded once for each number of rows and repeated; others are launched kernel by kernel. All calls
/// from one thread.
class stage_queue {
public:
  /// @param block_numbers  of the largest step
  stage_queue(int gpu, cuda_stage stage, executor_limits const& limits, std::int64_t block_numbers);
  stage_queue(stage_queue const&) = delete;
  ~stage_queue();

  /// Puts a step's share into the stream: rows, hidden state from the stage before and to the one after, and where the head is, the
  /// tokens of rows that are repeated. The rows stay as they are until the stream has passed the step.
  void step(step_block const& rows, stage_hop* before, stage_hop* after);

  /// Where the head is: chooses the tokens of some of the step's samples, but for a step whose tokens are chosen already, and sends them
  /// to `to`. More than chosen_at_once() of them come in parts.
  void choose(step_block const& rows, int first, int count, std::int32_t* to);
  /// Log-probabilities of the samples that were chosen last, once the stream has passed them.
  cuda::told_row const& told(std::size_t sample) const { return told_.as<cuda::told_row>()[sample]; }
  /// Their logits. Waits for the device.
  void fetch_logits(std::size_t first, std::size_t count, std::span<float> to);
  std::int64_t chosen_at_once() const { return chosen_at_once_; }
  bool has_head() const { return stage_.has_head(); }

  void copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to);

  /// Makes its device the current one.
  void use() const { cuda::use_device(gpu_); }
  int gpu() const { return gpu_; }
  cuda::stream const& stream() const { return stream_; }

private:
  bool repeats(block_layout const& layout) const { return layout.decode && layout.rows <= chosen_at_once_; }
  void launch(block_layout const& layout, cuda::lane on);
  cuda::lane lane_of(block_layout const& layout) const;

  int gpu_;
  executor_limits limits_;
  std::int64_t chosen_at_once_;
  cuda::stream stream_;
  cuda::lane on_;
  cuda::device_memory block_;
  cuda::pinned_memory told_;
  cuda_stage stage_;
  std::map<std::pair<std::int64_t, bool>, cuda::graph> steps_;  ///< of so many rows, short or long
  bool prompts_tuned_ = false;
};

}  // namespace gpuplace::torch_detail
