#include "cuda_executor.hpp"

#include "../executor_plan.hpp"
#include "cuda_pipeline.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

result<void> check_gpus(std::span<stage const> stages) {
  auto const count = cuda::device_count();
  for (auto const& s : stages)
    if (s.device.index < 0 || s.device.index >= count)
      return error{errc::not_found,
                   "this machine has " + std::to_string(count) + " GPU" + (count == 1 ? "" : "s") + " for this process",
                   "stage on " + to_string(s.device), "plan for what is there: --topology live"};
  return {};
}

std::string current_gpu() {
  int gpu = 0;
  cudaGetDevice(&gpu);
  return "cuda:" + std::to_string(gpu);
}

token_logprobs logprobs_in(cuda::told_row const& told, token_id chosen) {
  token_logprobs all{{chosen, told.chosen}, {}};
  all.top.reserve(static_cast<std::size_t>(told.count));
  for (int i = 0; i < told.count; ++i) all.top.push_back({told.tokens[i], told.logprobs[i]});
  return all;
}

}  // namespace

class cuda_executor::state {
public:
  /// @param rows  for each of the steps that may be in flight
  state(cuda_pipeline stages, executor_limits const& limits, std::int64_t vocabulary, std::vector<step_block> rows)
      : limits_(limits), vocabulary_(vocabulary), stages_(std::move(stages)), thread_(1) {
    for (auto& r : rows) flights_.emplace_back(std::move(r), limits, stages_.last().gpu());
  }
  ~state() {
    thread_.stop();
    thread_.join();
    stages_.drain();
  }

  /// What the devices are to do is under way when this returns to a caller on the step context, whose other work overlaps it.
  void async_step(batch const& work, step_handler handler) {
    boost::asio::dispatch(thread_, [this, &work] {
      auto& f = flights_[(oldest_ + flying_++) % flights_.size()];
      f.started = start(f, work);
    });
    boost::asio::post(thread_, [this, handler = std::move(handler)] {
      auto& f = flights_[oldest_];
      auto outcome = finish(f);
      oldest_ = (oldest_ + 1) % flights_.size();
      --flying_;
      handler(std::move(outcome));
    });
  }

  result<void> fork(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
    if (to.size() < from.size()) return error{errc::invalid_argument, "fewer pages to copy to than from", "fork", {}};
    try {
      stages_.copy_sequence(from_slot, to_slot, from, to);
      return {};
    } catch (...) {
      return cuda_error("fork on " + current_gpu());
    }
  }

  executor_limits const& limits() const { return limits_; }
  auto get_executor() { return thread_.get_executor(); }
  void observe_logits(logits_observer observer) { observer_ = std::move(observer); }

private:
  using clock = std::chrono::steady_clock;

  /// A step in flight.
  struct flight {
    flight(step_block block, executor_limits const& limits, int gpu)
        : rows(std::move(block)),
          chosen(cuda::allocate_pinned(static_cast<std::size_t>(limits.step_tokens) * sizeof(std::int32_t))),
          done(gpu) {}
    step_block rows;
    cuda::pinned_memory chosen;
    cuda::event done;
    clock::time_point begin;
    result<void> started;
    bool taken = false;  ///< its outcome is complete already
    step_outcome outcome;
  };

  result<void> start(flight& f, batch const& work) {
    try {
      f.begin = clock::now();
      f.taken = false;
      f.outcome = {};
      auto const rows = std::min({static_cast<std::int64_t>(std::bit_ceil(std::max<std::size_t>(1, work.rows.size()))),
                                  limits_.slots, limits_.step_tokens});
      GPUPLACE_CHECK(f.rows.fill(work, rows));
      stages_.step(f.rows);
      GPUPLACE_CHECK(choose(f));
      f.done.record(stages_.last().stream());
      return {};
    } catch (...) {
      auto why = cuda_error("step on " + current_gpu());
      stages_.drain();  // the rows may still be on their way
      return why;
    }
  }

  /// Tokens of the step's samples, in parts of as many logits as there is memory for. Where the host has to look at logits, it does so
  /// before the next part or step writes its own.
  result<void> choose(flight& f) {
    if (!stages_.last().has_head()) return {};
    auto const& requests = f.rows.requests();
    f.outcome.tokens.resize(requests.size());
    bool const tells = std::ranges::any_of(requests, [](auto const& ask) { return ask.logprobs >= 0; });
    if (tells) f.outcome.logprobs.resize(requests.size());
    f.taken = tells || observer_ || f.rows.chosen_by_host();
    auto& last = stages_.last();
    for (std::size_t first = 0; first < requests.size(); first += static_cast<std::size_t>(last.chosen_at_once())) {
      auto const count = std::min(requests.size() - first, static_cast<std::size_t>(last.chosen_at_once()));
      last.choose(f.rows, static_cast<int>(first), static_cast<int>(count), f.chosen.as<std::int32_t>() + first);
      if (!f.taken) continue;
      last.stream().wait();
      if (observer_) observe(count);
      for (std::size_t i = 0; i < count; ++i) look_closer(f, first + i, i);
    }
    return {};
  }

  result<step_outcome> finish(flight& f) {
    GPUPLACE_CHECK(f.started);
    try {
      f.done.wait();
      stages_.check_devices();
      for (std::size_t i = 0; i < f.outcome.tokens.size(); ++i) {
        if (!f.taken) f.outcome.tokens[i] = f.chosen.as<std::int32_t>()[i];
        if (f.outcome.tokens[i] < 0)
          return error{errc::malformed, "the logits of row " + std::to_string(f.rows.row_of_sample(i)) + " are not numbers",
                       "step on cuda:" + std::to_string(stages_.last().gpu()), "fetch the checkpoint again, or try --dtype fp32"};
      }
      auto const now = clock::now();
      f.outcome.device_time = now - std::max(f.begin, last_end_);  // steps that overlap share it
      last_end_ = now;
      return std::move(f.outcome);
    } catch (...) {
      auto why = cuda_error("step on " + current_gpu());
      stages_.drain();
      return why;
    }
  }

  /// Sample i of a step, whose logits are the device's row `at`: chosen or told of by the host where the device cannot.
  void look_closer(flight& f, std::size_t i, std::size_t at) {
    auto const& ask = f.rows.requests()[i];
    auto& token = f.outcome.tokens[i];
    token = f.chosen.as<std::int32_t>()[i];
    if (token < 0) return;
    bool const by_host = f.rows.chosen_by_host(i), tells = ask.logprobs >= 0;
    auto const& told = stages_.last().told(at);
    if (by_host || (tells && told.count < 0)) {
      fetch_logits(at, 1);
      if (by_host) token = sample_token(fetched_, ask).value_or(-1);
      if (token >= 0 && tells) f.outcome.logprobs[i] = logprobs_of(fetched_, token, ask.logprobs);
    } else if (tells) {
      f.outcome.logprobs[i] = logprobs_in(told, token);
    }
  }

  void fetch_logits(std::size_t first, std::size_t count) {
    fetched_.resize(count * static_cast<std::size_t>(vocabulary_));
    stages_.last().fetch_logits(first, count, fetched_);
  }

  void observe(std::size_t count) {
    fetch_logits(0, count);
    observer_(
        at::from_blob(fetched_.data(), {static_cast<std::int64_t>(count), vocabulary_}, at::TensorOptions().dtype(at::kFloat)));
  }

  executor_limits limits_;
  std::int64_t vocabulary_;
  cuda_pipeline stages_;
  std::vector<flight> flights_;  ///< a ring: the steps in flight, and room for more
  std::size_t oldest_ = 0, flying_ = 0;
  clock::time_point last_end_;
  std::vector<float> fetched_;
  logits_observer observer_;
  boost::asio::thread_pool thread_;  ///< last: it goes first
};

result<cuda_executor> cuda_executor::load(model_plan const& planned, replica const& placed, model_description const& model,
                                          checkpoint const& weights, executor_options const& options,
                                          std::optional<stage_segment> part) {
  GPUPLACE_CHECK(check_chain(placed, model));
  auto const segment = part ? *part : whole_of(placed);
  auto const stages = segment.of(placed);
  GPUPLACE_CHECK(check_gpus(stages));
  if (planned.type != dtype::fp32 && planned.type != dtype::bf16)
    return error{errc::unsupported, "GPUs compute in fp32 and bf16 here, not in " + std::string(to_string(planned.type)),
                 "torch backend", "plan with --dtype bf16"};
  GPUPLACE_TRY(auto limits, find_limits(planned, placed, model.config, options.page_tokens, options.step_tokens));
  // One step more than stages where there are several: chunks of prompts differ in time, and the next one waits at the first stage.
  // Where other processes have some of them, as many steps come here as pass through all.
  limits.executor.micro_batches = std::ssize(placed.stages);
  limits.executor.steps = limits.executor.micro_batches > 1 ? limits.executor.micro_batches + 1 : 1;
  auto const tile_tokens = std::max<std::int64_t>(1, cuda::prompt_rows * model.config.kv_heads / model.config.heads);
  try {
    cuda::use_device(stages.front().device.index);
    std::vector<step_block> rows;
    for (std::int64_t i = 0; i < limits.executor.steps; ++i)
      rows.emplace_back(limits.executor, model.config.vocabulary, limits.ring_pages, tile_tokens);
    GPUPLACE_TRY(auto loaded, cuda_pipeline::load(stages, segment, model.config, weights, model.source + " " + model.fingerprint,
                                                  limits, planned.type, rows.front().most_numbers()));
    return cuda_executor(std::make_unique<state>(std::move(loaded), limits.executor, model.config.vocabulary, std::move(rows)));
  } catch (...) {
    return cuda_error("loading " + model.name);
  }
}

cuda_executor::cuda_executor(std::unique_ptr<state> made) : state_(std::move(made)) {}
cuda_executor::cuda_executor(cuda_executor&&) noexcept = default;
cuda_executor& cuda_executor::operator=(cuda_executor&&) noexcept = default;
cuda_executor::~cuda_executor() = default;

executor_limits cuda_executor::limits() const { return state_->limits(); }
boost::asio::thread_pool::executor_type cuda_executor::get_executor() const { return state_->get_executor(); }
void cuda_executor::async_step(batch const& work, step_handler handler) { state_->async_step(work, std::move(handler)); }
result<void> cuda_executor::fork(slot_id from, slot_id to, std::span<page_id const> from_pages, std::span<page_id const> to_pages) {
  return state_->fork(from, to, from_pages, to_pages);
}
/// Which tokens of its pages a sequence has comes with every batch: nothing is kept between steps.
void cuda_executor::truncate(slot_id, std::int64_t) {}
void cuda_executor::release(slot_id) {}
void cuda_executor::observe_logits(logits_observer observer) { state_->observe_logits(std::move(observer)); }

}  // namespace gpuplace::torch_detail
