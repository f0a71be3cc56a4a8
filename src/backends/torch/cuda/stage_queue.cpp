#include "stage_queue.hpp"

#include <utility>

namespace gpuplace::torch_detail {

using cuda::check;

stage_queue::stage_queue(int gpu, cuda_stage stage, executor_limits const& limits, std::int64_t block_numbers)
    : gpu_(gpu),
      limits_(limits),
      chosen_at_once_(logit_rows_of(limits)),
      block_(cuda::allocate(static_cast<std::size_t>(block_numbers) * sizeof(std::int32_t), "reserving a step's rows")),
      told_(cuda::allocate_pinned(stage.has_head() ? static_cast<std::size_t>(chosen_at_once_) * sizeof(cuda::told_row) : 0)),
      stage_(std::move(stage)) {
  check(cuda::make_lane(stream_, on_), "reading the device's properties");
}

stage_queue::~stage_queue() { cudaSetDevice(gpu_); }

void stage_queue::step(step_block const& rows, stage_hop* before, stage_hop* after) {
  use();
  auto const layout = rows.layout();
  if (after) after->reuse(stream_);
  check(cudaMemcpyAsync(block_.as(), rows.host(), static_cast<std::size_t>(layout.size()) * sizeof(std::int32_t),
                        cudaMemcpyHostToDevice, stream_),
        "sending a step's rows");
  auto* const graph = repeats(layout) ? &steps_[{layout.rows, layout.long_rows}] : nullptr;
  bool const record = graph && !*graph;
  if (record) stage_.tune(layout, block_.as<std::int32_t>(), lane_of(layout));
  // Most steps of long prompts are full ones: those are worth the time.
  if (layout.tokens == limits_.step_tokens && !layout.decode && !std::exchange(prompts_tuned_, true))
    stage_.tune_prompts(static_cast<int>(layout.tokens), on_);
  if (before) before->receive(stage_.hidden(layout.tokens), stream_);
  if (graph && *graph) graph->launch(stream_);
  else launch(layout, lane_of(layout));
  if (after) after->send(stage_.hidden(layout.tokens), stream_);
  if (!record) return;
  stream_.wait();  // it ran as it is first: what libraries load at their first call cannot be recorded
  *graph = cuda::graph::record(stream_, [&] { launch(layout, lane_of(layout)); });
}

/// Rings of products want all of the shared memory; a single row has none but attention's, and cache is of use to it (measured on an H100).
cuda::lane stage_queue::lane_of(block_layout const& layout) const {
  auto on = on_;
  if (on.early && repeats(layout)) on.shared_percent = layout.rows == 1 ? 65 : 100;
  return on;
}

void stage_queue::launch(block_layout const& layout, cuda::lane on) {
  auto const* const block = block_.as<std::int32_t>();
  stage_.run(layout, block, on);
  if (!repeats(layout) || !stage_.has_head()) return;
  auto const count = static_cast<int>(layout.rows);
  stage_.head(layout, block, 0, count, on);
  stage_.choose(layout, block, 0, count, told_.as<cuda::told_row>(), on);
}

void stage_queue::choose(step_block const& rows, int first, int count, std::int32_t* to) {
  use();
  auto const layout = rows.layout();
  if (!repeats(layout)) {
    stage_.head(layout, block_.as<std::int32_t>(), first, count, on_);
    stage_.choose(layout, block_.as<std::int32_t>(), first, count, told_.as<cuda::told_row>(), on_);
  }
  check(
      cudaMemcpyAsync(to, stage_.tokens(), static_cast<std::size_t>(count) * sizeof(std::int32_t), cudaMemcpyDeviceToHost, stream_),
      "fetching tokens");
}

void stage_queue::fetch_logits(std::size_t first, std::size_t count, std::span<float> to) {
  use();
  check(cudaMemcpyAsync(to.data(), stage_.logits() + first * (to.size() / count), to.size_bytes(), cudaMemcpyDeviceToHost, stream_),
        "fetching logits");
  stream_.wait();
}

void stage_queue::copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
  use();
  stage_.copy_sequence(from_slot, to_slot, from, to, stream_);
}

}  // namespace gpuplace::torch_detail
