#include "cuda_pipeline.hpp"

#include "../ranks/rank_group.hpp"

#include <exception>
#include <future>
#include <stdexcept>
#include <utility>

namespace gpuplace::torch_detail {
namespace {

constexpr char const* lost_remedy = "start the process again; where it happens again, look for Xid errors in dmesg";

/// For the other process to load its stages.
constexpr seconds linking_limit{1800};

std::string text_of(int gpu) { return "cuda:" + std::to_string(gpu); }

/// On a thread of its own, beside the other stages.
result<std::unique_ptr<stage_queue>> load_stage(stage const& placed, model_config const& config, checkpoint const& weights,
                                                std::string const& source, cache_limits const& limits, dtype type,
                                                std::int64_t block_numbers) {
  auto const gpu = placed.device.index;
  try {
    cuda::use_device(gpu);
    auto opened = std::async(std::launch::async, [gpu] { return cuda::use_device(gpu), cuda::matmul(); });
    GPUPLACE_TRY(auto loaded, load_on_gpu(weights, source, config, placed.units, gpu, type));
    cuda_stage made(std::move(loaded), opened.get(), config, limits.executor, limits.ring_pages, type);
    return std::make_unique<stage_queue>(gpu, std::move(made), limits.executor, block_numbers);
  } catch (...) {
    return cuda_error("loading onto " + text_of(gpu));
  }
}

}  // namespace

error cuda_error(std::string where) {
  try {
    throw;
  } catch (cuda::failure const& e) {
    if (e.memory())
      return {errc::does_not_fit, e.what(), std::move(where),
              "lower --max-model-len or --max-num-seqs, or end what else runs on this GPU"};
    return {errc::device_lost, e.what(), std::move(where), lost_remedy};
  } catch (std::exception const& e) {
    if (cudaDeviceSynchronize() != cudaSuccess) return {errc::device_lost, e.what(), std::move(where), lost_remedy};
    return {errc::unsupported, e.what(), std::move(where), {}};
  }
}

result<cuda_pipeline> cuda_pipeline::load(std::span<stage const> stages, stage_segment const& part, model_config const& config,
                                          checkpoint const& weights, std::string const& source, cache_limits const& limits,
                                          dtype type, std::int64_t block_numbers) {
  std::vector<std::future<result<std::unique_ptr<stage_queue>>>> loading;
  for (auto const& s : stages)
    loading.push_back(
        std::async(std::launch::async, [&] { return load_stage(s, config, weights, source, limits, type, block_numbers); }));
  cuda_pipeline made;
  result<void> all;
  for (auto& one : loading) {
    auto loaded = one.get();
    if (loaded) made.queues_.push_back(*std::move(loaded));
    else if (all) all = loaded.error();
  }
  GPUPLACE_CHECK(all);
  try {
    auto const most = static_cast<std::size_t>(limits.executor.step_tokens * config.hidden * stored_bytes(1, type).count());
    for (std::size_t i = 1; i < made.queues_.size(); ++i)
      made.hops_.push_back(stage_hop::between(made.queues_[i - 1]->gpu(), made.queues_[i]->gpu(), most));
    if (part.before) {
      made.queues_.front()->use();
      made.before_ = stage_hop::across(*part.before, false);
    }
    if (part.after) {
      made.queues_.back()->use();
      made.after_ = stage_hop::across(*part.after, true);
    }
  } catch (...) {
    return cuda_error("connecting the stages' GPUs");
  }
  return made;
}

void cuda_pipeline::step(step_block const& rows) {
  auto const optional = [](auto& hop) { return hop ? &*hop : nullptr; };
  for (std::size_t i = 0; i < queues_.size(); ++i)
    queues_[i]->step(rows, i > 0 ? &hops_[i - 1] : optional(before_), i < hops_.size() ? &hops_[i] : optional(after_));
}

void cuda_pipeline::copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
  for (auto const& q : queues_) q->copy_sequence(from_slot, to_slot, from, to);
}

void cuda_pipeline::check_devices() const {
  for (auto const& q : queues_) {
    q->use();
    if (auto const now = cudaStreamQuery(q->stream()); now != cudaErrorNotReady) cuda::check(now, "looking at the device");
  }
}

void cuda_pipeline::drain() const {
  for (auto const& q : queues_) {
    cudaSetDevice(q->gpu());
    cudaStreamSynchronize(q->stream());
  }
}

stage_hop stage_hop::across(neighbour const& other, bool sends) {
  auto& group = *other.group;
  auto const key = "nccl/" + std::to_string(other.replica) + "/" + std::to_string(other.hop);
  if (sends) {
    auto const id = cuda::nccl_link::make_id();
    group.publish(key, id);
    return stage_hop(cuda::nccl_link(id, true));
  }
  auto const id = group.look_up(key, linking_limit);
  if (!id) throw std::runtime_error(group.name_of(other.rank) + " has not begun its link: " + id.error().what);
  return stage_hop(cuda::nccl_link(*id, false));
}

stage_hop stage_hop::between(int from, int to, std::size_t most) {
  if (cuda::connect(from, to)) return stage_hop(cuda::peer_copy(from, to, most));
  return stage_hop(cuda::pinned_copy(from, to, most));
}

}  // namespace gpuplace::torch_detail
