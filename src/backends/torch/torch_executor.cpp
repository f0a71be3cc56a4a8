#include "torch_executor.hpp"

#include "cpu_kernels.hpp"
#include "executor_plan.hpp"
#include "ranks/rank_group.hpp"
#include "stage_runner.hpp"
#include "step_inputs.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <boost/asio/post.hpp>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

error shortage(std::string what) {
  return {errc::does_not_fit, std::move(what), "torch backend", "lower --max-model-len or --max-num-seqs, or use more devices"};
}

/// What libtorch threw, as an error: a device that is gone ends the executor, anything else the step.
error caught(std::string where) {
  try {
    throw;
  } catch (std::bad_alloc const&) {
    return {errc::does_not_fit, "memory ran out", std::move(where), "lower --max-model-len or --max-num-seqs"};
  } catch (std::exception const& e) {
    std::string what = e.what();
    bool const memory = what.find("memory") != std::string::npos;
    return {memory ? errc::does_not_fit : errc::device_lost,
            "libtorch failed: " + what.substr(0, what.find('\n')),
            std::move(where),
            {}};
  }
}

result<at::ScalarType> scalar_type_of(dtype type) {
  if (type == dtype::fp32) return at::kFloat;
  if (type == dtype::bf16) return at::kBFloat16;
  return error{errc::unsupported, "CPU devices compute in fp32 and bf16, not in " + std::string(to_string(type)), "torch backend",
               "plan with --dtype bf16"};
}

result<torch_cpu::vector_kernels const*> find_level(std::string const& name) {
  for (auto const* level : torch_cpu::usable_levels())
    if (name.empty() || level->level == name) return level;
  return error{errc::unsupported, "this machine or build has no instruction level '" + name + "'", "torch backend", {}};
}

}  // namespace

class torch_executor::state {
public:
  state(cache_limits const& limits, stage_segment part, std::int64_t vocabulary, int threads)
      : limits_(limits.executor),
        part_(std::move(part)),
        ring_pages_(limits.ring_pages),
        inputs_(limits.executor, vocabulary, limits.ring_pages),
        threads_(threads),
        thread_(1) {
    boost::asio::post(thread_, [this] { at::set_num_threads(threads_); });
  }
  ~state() {
    thread_.stop();
    thread_.join();
  }

  result<void> load(replica const& placed, model_config const& config, std::shared_ptr<checkpoint const> weights,
                    torch_cpu::vector_kernels const& level, at::ScalarType type) {
    c10::InferenceMode const no_gradients;
    weights_ = std::move(weights);
    at::Tensor embedding;
    at::Device const device(at::kCPU);
    if (part_.before) received_ = at::empty({limits_.step_tokens, config.hidden}, at::TensorOptions().dtype(type));
    for (auto const& s : part_.of(placed)) {
      GPUPLACE_TRY(auto loaded, load_stage(*weights_, config, s.units, device, type, embedding));
      if (loaded.embedding.defined()) embedding = loaded.embedding;
      stages_.emplace_back(device, make_cpu_kernels(level), std::move(loaded), config, limits_, ring_pages_, type);
    }
    bool const norm = std::ranges::any_of(stages_, &stage_runner::has_norm);
    if (norm != has_head())
      return error{errc::unsupported, "the final norm and the head are in different processes", "ranks",
                   "plan so that one process has both"};
    return {};
  }

  void async_step(batch const& work, step_handler handler) {
    boost::asio::post(thread_, [this, &work, handler = std::move(handler)] { handler(step(work)); });
  }

  result<void> fork(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
    if (to.size() < from.size()) return error{errc::invalid_argument, "fewer pages to copy to than from", "fork", {}};
    try {
      c10::InferenceMode const no_gradients;
      for (auto& s : stages_) s.copy_sequence(from_slot, to_slot, from, to);
      return {};
    } catch (...) {
      return caught("fork");
    }
  }

  executor_limits const& limits() const { return limits_; }
  auto get_executor() { return thread_.get_executor(); }
  void observe_logits(logits_observer observer) { observer_ = std::move(observer); }

private:
  result<step_outcome> step(batch const& work) {
    auto const begin = std::chrono::steady_clock::now();
    try {
      c10::InferenceMode const no_gradients;
      GPUPLACE_CHECK(inputs_.fill(work));
      step_outcome outcome;
      auto const hidden = pass();
      if (has_head()) GPUPLACE_CHECK(sample(hidden, outcome));
      outcome.device_time = std::chrono::steady_clock::now() - begin;
      return outcome;
    } catch (...) {
      return caught("torch step");
    }
  }

  bool has_head() const { return std::ranges::any_of(stages_, &stage_runner::has_head); }

  static std::span<std::byte> bytes_of(at::Tensor const& t) { return {static_cast<std::byte*>(t.data_ptr()), t.nbytes()}; }

  /// The hidden state after the last layer.
  at::Tensor pass() {
    at::Tensor hidden;
    if (auto const& from = part_.before) {
      hidden = received_.narrow(0, 0, inputs_.tokens());
      from->group->receive(from->rank, hidden_tag(from->replica), bytes_of(hidden));
    }
    step_tensors step;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (!stages_[i].has_work()) continue;
      if (!step.tokens.defined() || step.tokens.device() != stages_[i].device()) step = inputs_.on(stages_[i].device());
      hidden = stages_[i].run(hidden, step);
    }
    if (auto const& to = part_.after) to->group->send(to->rank, hidden_tag(to->replica), bytes_of(hidden.contiguous()));
    return hidden;
  }

  result<void> sample(at::Tensor const& hidden, step_outcome& outcome) {
    auto const& sampled = inputs_.sampled();
    auto const requests = std::span(inputs_.requests());
    outcome.tokens.resize(sampled.size());
    if (std::any_of(requests.begin(), requests.end(), [](auto const& ask) { return ask.logprobs >= 0; }))
      outcome.logprobs.resize(sampled.size());
    auto& norm = *std::find_if(stages_.begin(), stages_.end(), [](auto const& s) { return s.has_norm(); });
    auto& head = *std::find_if(stages_.begin(), stages_.end(), [](auto const& s) { return s.has_head(); });
    for (std::size_t first = 0; first < sampled.size(); first += static_cast<std::size_t>(logit_rows)) {
      auto const count = std::min(sampled.size() - first, static_cast<std::size_t>(logit_rows));
      auto const rows = at::from_blob(const_cast<std::int64_t*>(sampled.data()) + first, {static_cast<std::int64_t>(count)},
                                      at::TensorOptions().dtype(at::kLong));
      auto const logits = head.logits(norm.norm(hidden, rows));
      if (observer_) observer_(logits);
      auto const broken = head.kernels().sample(
          logits, requests.subspan(first, count), std::span(outcome.tokens).subspan(first, count),
          std::span(outcome.logprobs).subspan(outcome.logprobs.empty() ? 0 : first, outcome.logprobs.empty() ? 0 : count));
      if (broken) return not_numbers(inputs_.row_of_sample(first + static_cast<std::size_t>(*broken)));
    }
    return {};
  }

  /// Looks for the reason only now: a look at every weight while loading would cost every good checkpoint time.
  error not_numbers(std::size_t row) const {
    auto const what = "the logits of row " + std::to_string(row) + " are not numbers";
    for (auto const& s : stages_)
      if (auto const name = find_broken(s.weights()))
        return {errc::malformed, what + ": tensor '" + *name + "' holds NaN or infinities", "torch step",
                "fetch the checkpoint again"};
    return {errc::malformed, what + ", though all weights are", "torch step", "numbers overflow in this format: try --dtype fp32"};
  }

  executor_limits limits_;
  stage_segment part_;
  at::Tensor received_;
  std::int64_t ring_pages_;
  std::shared_ptr<checkpoint const> weights_;  ///< tensors of the stages lie in its files
  step_inputs inputs_;
  std::vector<stage_runner> stages_;
  logits_observer observer_;
  int threads_;
  boost::asio::thread_pool thread_;  ///< last: it goes first
};

result<torch_executor> torch_executor::load(model_plan const& planned, replica const& placed, model_description const& model,
                                            std::shared_ptr<checkpoint const> weights, executor_options const& options,
                                            std::optional<stage_segment> part) {
  GPUPLACE_CHECK(check_chain(placed, model));
  GPUPLACE_TRY(auto const type, scalar_type_of(planned.type));
  GPUPLACE_TRY(auto const* const level, find_level(options.cpu_level));
  GPUPLACE_TRY(auto const limits, find_limits(planned, placed, model.config, options.page_tokens, options.step_tokens));
  try {
    auto made = std::make_unique<state>(limits, part ? *std::move(part) : whole_of(placed), model.config.vocabulary,
                                        std::max(1, options.threads));
    GPUPLACE_CHECK(made->load(placed, model.config, std::move(weights), *level, type));
    return torch_executor(std::move(made));
  } catch (...) {
    auto failure = caught("loading " + model.name);
    return failure.code == errc::does_not_fit ? shortage("memory ran out while loading " + model.name) : failure;
  }
}

torch_executor::torch_executor(std::unique_ptr<state> made) : state_(std::move(made)) {}
torch_executor::torch_executor(torch_executor&&) noexcept = default;
torch_executor& torch_executor::operator=(torch_executor&&) noexcept = default;
torch_executor::~torch_executor() = default;

executor_limits torch_executor::limits() const { return state_->limits(); }
boost::asio::thread_pool::executor_type torch_executor::get_executor() const { return state_->get_executor(); }
void torch_executor::async_step(batch const& work, step_handler handler) { state_->async_step(work, std::move(handler)); }
result<void> torch_executor::fork(slot_id from, slot_id to, std::span<page_id const> from_pages,
                                  std::span<page_id const> to_pages) {
  return state_->fork(from, to, from_pages, to_pages);
}
/// Which tokens of its pages a sequence has comes with every batch: nothing is kept between steps.
void torch_executor::truncate(slot_id, std::int64_t) {}
void torch_executor::release(slot_id) {}
void torch_executor::observe_logits(logits_observer observer) { state_->observe_logits(std::move(observer)); }

}  // namespace gpuplace::torch_detail
