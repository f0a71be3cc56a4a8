#include "cuda_executor.hpp"

#include "../executor_plan.hpp"
#include "cuda_stage.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <exception>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

constexpr char const* lost_remedy = "start the process again; where it happens again, look for Xid errors in dmesg";

/// What CUDA or cuBLASLt threw, as an error. After all but a shortage of memory the device answers nothing more to this process.
error caught(std::string where) {
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

result<int> find_gpu(replica const& placed) {
  auto const& device = placed.stages.front().device;
  for (auto const& s : placed.stages)
    if (s.device != device)
      return error{errc::unsupported, "a replica on several GPUs cannot be run yet", "stage on " + to_string(s.device),
                   "plan with --partition whole"};
  auto const count = cuda::device_count();
  if (device.index < 0 || device.index >= count)
    return error{errc::not_found,
                 "this machine has " + std::to_string(count) + " GPU" + (count == 1 ? "" : "s") + " for this process",
                 "stage on " + to_string(device), "plan for what is there: --topology live"};
  return device.index;
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
  state(int gpu, cache_limits const& limits, std::int64_t vocabulary, std::int64_t tile_tokens)
      : gpu_(use(gpu)),
        limits_(limits.executor),
        vocabulary_(vocabulary),
        chosen_at_once_(logit_rows_of(limits.executor)),
        thread_(1) {
    inputs_.emplace(limits.executor, vocabulary, limits.ring_pages, tile_tokens);
    block_ = cuda::allocate(static_cast<std::size_t>(inputs_->most_numbers()) * sizeof(std::int32_t), "reserving a step's rows");
    chosen_ = cuda::allocate_pinned(static_cast<std::size_t>(chosen_at_once_) * sizeof(std::int32_t));
    told_ = cuda::allocate_pinned(static_cast<std::size_t>(chosen_at_once_) * sizeof(cuda::told_row));
    check(cuda::make_lane(stream_, on_), "reading the device's properties");
    boost::asio::post(thread_, [gpu] { cudaSetDevice(gpu); });
  }
  ~state() {
    thread_.stop();
    thread_.join();
    cudaSetDevice(gpu_);
  }

  result<void> load(replica const& placed, model_config const& config, checkpoint const& weights, cache_limits const& limits,
                    dtype type) {
    std::vector<std::string> units;
    for (auto const& s : placed.stages) units.insert(units.end(), s.units.begin(), s.units.end());
    auto opened = std::async(std::launch::async, [gpu = gpu_] { return use(gpu), cuda::matmul(); });
    GPUPLACE_TRY(auto loaded, load_on_gpu(weights, config, units, gpu_, type));
    stage_.emplace(std::move(loaded), opened.get(), config, limits.executor, limits.ring_pages, type);
    return {};
  }

  /// What the device is to do is under way when this returns to a caller on the step context, whose other work overlaps it.
  void async_step(batch const& work, step_handler handler) {
    boost::asio::dispatch(thread_, [this, &work] { started_ = start(work); });
    boost::asio::post(thread_, [this, handler = std::move(handler)] { handler(finish()); });
  }

  result<void> fork(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
    if (to.size() < from.size()) return error{errc::invalid_argument, "fewer pages to copy to than from", "fork", {}};
    try {
      stage_->copy_sequence(from_slot, to_slot, from, to, stream_);
      return {};
    } catch (...) {
      return caught("fork");
    }
  }

  executor_limits const& limits() const { return limits_; }
  auto get_executor() { return thread_.get_executor(); }
  void observe_logits(logits_observer observer) { observer_ = std::move(observer); }

private:
  struct step_under_way {
    std::chrono::steady_clock::time_point begin;
    block_layout layout;
    bool recorded = false;
  };

  result<step_under_way> start(batch const& work) {
    try {
      step_under_way now{std::chrono::steady_clock::now(), {}, false};
      auto const rows = std::min({static_cast<std::int64_t>(std::bit_ceil(std::max<std::size_t>(1, work.rows.size()))),
                                  limits_.slots, limits_.step_tokens});
      GPUPLACE_CHECK(inputs_->fill(work, rows));
      now.layout = inputs_->layout();
      now.recorded = now.layout.decode && rows <= chosen_at_once_;
      if (now.recorded) {
        recorded_step(now.layout).launch(stream_);
      } else {
        // Most steps of long prompts are full ones: those are worth the time.
        if (now.layout.tokens == limits_.step_tokens && !std::exchange(prompts_tuned_, true))
          stage_->tune_prompts(static_cast<int>(now.layout.tokens), on_);
        send(now.layout);
        stage_->run(now.layout, block_.as<std::int32_t>(), on_);
      }
      return now;
    } catch (...) {
      auto why = caught("step on cuda:" + std::to_string(gpu_));
      cudaStreamSynchronize(stream_);  // the rows may still be on their way
      return why;
    }
  }

  result<step_outcome> finish() {
    GPUPLACE_TRY(auto const step, std::exchange(started_, std::nullopt).value());
    try {
      step_outcome outcome;
      auto const& requests = inputs_->requests();
      outcome.tokens.resize(requests.size());
      if (std::ranges::any_of(requests, [](auto const& ask) { return ask.logprobs >= 0; }))
        outcome.logprobs.resize(requests.size());
      for (std::size_t first = 0; first < requests.size(); first += static_cast<std::size_t>(chosen_at_once_)) {
        auto const count = std::min(requests.size() - first, static_cast<std::size_t>(chosen_at_once_));
        if (!step.recorded) choose(step.layout, static_cast<int>(first), static_cast<int>(count), on_);
        stream_.wait();
        GPUPLACE_CHECK(take(first, count, outcome));
      }
      stream_.wait();  // a step that samples nothing as well
      outcome.device_time = std::chrono::steady_clock::now() - step.begin;
      return outcome;
    } catch (...) {
      return caught("step on cuda:" + std::to_string(gpu_));
    }
  }

  void send(block_layout const& layout) {
    check(cudaMemcpyAsync(block_.as(), inputs_->host(), static_cast<std::size_t>(layout.size()) * sizeof(std::int32_t),
                          cudaMemcpyHostToDevice, stream_),
          "sending a step's rows");
  }

  void choose(block_layout const& layout, int first, int count, cuda::lane on) {
    stage_->head(layout, block_.as<std::int32_t>(), first, count, on);
    stage_->choose(layout, block_.as<std::int32_t>(), first, count, told_.as<cuda::told_row>(), on);
    check(cudaMemcpyAsync(chosen_.as(), stage_->tokens(), static_cast<std::size_t>(count) * sizeof(std::int32_t),
                          cudaMemcpyDeviceToHost, stream_),
          "fetching tokens");
  }

  cuda::graph const& recorded_step(block_layout const& layout) {
    auto const rows = static_cast<int>(layout.rows);
    auto& found = steps_[{rows, layout.long_rows}];
    if (found) return found;
    auto on = on_;
    // Rings of products want all of it; a single row has none but attention's, and cache is of use to it (measured on an H100).
    if (on.early) on.shared_percent = rows == 1 ? 65 : 100;
    auto const whole = [&] {
      send(layout);
      stage_->run(layout, block_.as<std::int32_t>(), on);
      choose(layout, 0, rows, on);
    };
    send(layout);
    stage_->tune(layout, block_.as<std::int32_t>(), on);
    whole();  // once as it is: what libraries load at their first call cannot be recorded
    stream_.wait();
    found = cuda::graph::record(stream_, whole);
    return found;
  }

  /// The tokens of some samples, whose logits are on the device.
  result<void> take(std::size_t first, std::size_t count, step_outcome& outcome) {
    if (observer_) observe(count);
    for (std::size_t i = 0; i < count; ++i) {
      auto const& ask = inputs_->requests()[first + i];
      auto& token = outcome.tokens[first + i];
      token = chosen_.as<std::int32_t>()[i];
      bool const by_host = inputs_->chosen_by_host(first + i), tells = ask.logprobs >= 0;
      auto const& told = told_.as<cuda::told_row>()[i];
      if (token >= 0 && (by_host || (tells && told.count < 0))) {
        fetch_logits(i, 1);
        if (by_host) token = sample_token(fetched_, ask).value_or(-1);
        if (token >= 0 && tells) outcome.logprobs[first + i] = logprobs_of(fetched_, token, ask.logprobs);
      } else if (token >= 0 && tells) {
        outcome.logprobs[first + i] = logprobs_in(told, token);
      }
      if (token < 0)
        return error{errc::malformed, "the logits of row " + std::to_string(inputs_->row_of_sample(first + i)) + " are not numbers",
                     "step on cuda:" + std::to_string(gpu_), "fetch the checkpoint again, or try --dtype fp32"};
    }
    return {};
  }

  void fetch_logits(std::size_t row, std::size_t rows) {
    fetched_.resize(rows * static_cast<std::size_t>(vocabulary_));
    check(cudaMemcpyAsync(fetched_.data(), stage_->logits() + row * static_cast<std::size_t>(vocabulary_),
                          fetched_.size() * sizeof(float), cudaMemcpyDeviceToHost, stream_),
          "fetching logits");
    stream_.wait();
  }

  void observe(std::size_t count) {
    fetch_logits(0, count);
    observer_(
        at::from_blob(fetched_.data(), {static_cast<std::int64_t>(count), vocabulary_}, at::TensorOptions().dtype(at::kFloat)));
  }

  /// Before any member that belongs to the device is made.
  static int use(int gpu) {
    check(cudaSetDevice(gpu), "choosing the device");
    return gpu;
  }
  static void check(cudaError_t code, char const* what) { cuda::check(code, what); }

  int gpu_;
  executor_limits limits_;
  std::int64_t vocabulary_, chosen_at_once_;
  cuda::stream stream_;
  cuda::lane on_;
  std::optional<step_block> inputs_;
  std::optional<result<step_under_way>> started_;
  cuda::device_memory block_;
  cuda::pinned_memory chosen_, told_;  ///< by the device: tokens, and log-probabilities where asked
  std::optional<cuda_stage> stage_;
  std::map<std::pair<int, bool>, cuda::graph> steps_;  ///< of so many rows, short or long
  bool prompts_tuned_ = false;
  std::vector<float> fetched_;
  logits_observer observer_;
  boost::asio::thread_pool thread_;  ///< last: it goes first
};

result<cuda_executor> cuda_executor::load(model_plan const& planned, replica const& placed, model_description const& model,
                                          checkpoint const& weights, executor_options const& options) {
  GPUPLACE_CHECK(check_chain(placed, model));
  GPUPLACE_TRY(auto const gpu, find_gpu(placed));
  if (planned.type != dtype::fp32 && planned.type != dtype::bf16)
    return error{errc::unsupported, "GPUs compute in fp32 and bf16 here, not in " + std::string(to_string(planned.type)),
                 "torch backend", "plan with --dtype bf16"};
  GPUPLACE_TRY(auto const limits, find_limits(planned, placed, model.config, options.page_tokens, options.step_tokens));
  try {
    auto made = std::make_unique<state>(gpu, limits, model.config.vocabulary,
                                        std::max<std::int64_t>(1, cuda::prompt_rows * model.config.kv_heads / model.config.heads));
    GPUPLACE_CHECK(made->load(placed, model.config, weights, limits, planned.type));
    return cuda_executor(std::move(made));
  } catch (...) {
    return caught("loading " + model.name + " onto cuda:" + std::to_string(gpu));
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
