#include <gpuplace/backends/torch.hpp>

#include "torch_executor.hpp"
#ifdef GPUPLACE_HAVE_CUDA
#include "cuda/cuda_executor.hpp"
#endif

#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace gpuplace {
namespace {

/// The cores of a replica's CPU slots; a slot of which nothing is known has all of the machine's.
int threads_of(replica const& placed, device_group const& devices) {
  auto const all = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int threads = 0;
  std::set<device_id> counted;
  for (auto const& s : placed.stages) {
    if (!counted.insert(s.device).second) continue;
    auto const at = devices.find(s.device);
    threads += at && devices[*at].cores > 0 ? devices[*at].cores : all;
  }
  return std::clamp(threads, 1, all);
}

result<model_description> open_planned_model(model_plan const& planned) {
  if (planned.source.starts_with("preset:"))
    return error{errc::unsupported, "a preset has no weights to run", planned.source,
                 "give the folder of a checkpoint with --model"};
  GPUPLACE_TRY(auto model, open_model(planned.source, planned.type));
  if (!planned.fingerprint.empty() && planned.fingerprint != model.fingerprint)
    return error{errc::mismatch, "the checkpoint is not the one the plan was made for", planned.source,
                 "plan again with this checkpoint"};
  return model;
}

result<std::shared_ptr<checkpoint const>> open_planned_weights(model_description const& model) {
  std::filesystem::path folder = model.source;
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) folder = folder.parent_path();
  GPUPLACE_TRY(auto weights, open_checkpoint(folder));
  GPUPLACE_TRY(auto const report, check_checkpoint(weights, model.config));
  GPUPLACE_CHECK(refuse_unexpected(report, folder.string()));
  return std::make_shared<checkpoint const>(std::move(weights));
}

result<void> check_start(replica_start const& what) {
  if (!what.whole || what.model >= what.whole->models.size() || what.replica >= what.whole->models[what.model].replicas.size())
    return error{errc::invalid_argument,
                 "the plan has no replica " + std::to_string(what.replica) + " of model " + std::to_string(what.model),
                 "torch backend",
                 {}};
  auto const& placed = what.whole->models[what.model].replicas[what.replica];
  if (!placed.adapters.empty())
    return error{errc::unsupported, "adapters cannot be run in process yet", "torch backend", "plan without adapters"};
  for (auto const& s : placed.stages)
    if (s.device.kind == device_kind::cpu && !what.devices.empty() && !what.devices.find(s.device))
      return error{errc::not_found, "device " + to_string(s.device) + " is not among the devices of this run", "torch backend",
                   "plan again for the devices that are there"};
  return {};
}

}  // namespace

/// A replica on whatever its executor runs on.
class torch_instance::impl {
public:
  virtual ~impl() = default;
  virtual cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                                generation_handler on_end) = 0;
  virtual instance_load load() const = 0;
  virtual instance_statistics statistics() const = 0;

  template <step_executor E>
  static std::unique_ptr<impl> run(E executor);
};

template <step_executor E>
std::unique_ptr<torch_instance::impl> torch_instance::impl::run(E executor) {
  class running final : public impl {
  public:
    explicit running(E made) : steps_(std::move(made)) {}
    cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                          generation_handler on_end) override {
      return steps_.start(std::move(request), std::move(where), std::move(on_tokens), std::move(on_end));
    }
    instance_load load() const override { return steps_.load(); }
    instance_statistics statistics() const override { return steps_.statistics(); }

  private:
    step_instance<E> steps_;
  };
  return std::make_unique<running>(std::move(executor));
}

torch_instance::torch_instance(std::unique_ptr<impl> made) : impl_(std::move(made)) {}
torch_instance::torch_instance(torch_instance&&) noexcept = default;
torch_instance& torch_instance::operator=(torch_instance&&) noexcept = default;
torch_instance::~torch_instance() = default;

cancel_function torch_instance::start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                                      generation_handler on_end) {
  return impl_->start(std::move(request), std::move(where), std::move(on_tokens), std::move(on_end));
}
instance_load torch_instance::load() const { return impl_->load(); }
instance_statistics torch_instance::statistics() const { return impl_->statistics(); }

memory_profile torch_backend::memory() const {
  using namespace literals;
  // Measured with SmolLM2-135M in bf16 on x86-64 Linux: 439 MiB resident, of which weights 257 MiB and touched cache about
  // 45 MiB, so libtorch and buffers take about 140 MiB. Logits of 32 rows of a large vocabulary and the table of rotations
  // come on top. The activated half of the gated MLP is a buffer of its own, which units do not count.
  // On an H100 a process that runs Qwen3-8B held 0.99 GiB beside weights, KV cache and step: CUDA's context, cuBLASLt's kernels and
  // workspace, recorded steps. Cards with fewer multiprocessors take less.
  return {.fixed = 224_MiB, .per_step_token = 32_KiB, .per_graph = {}, .graphs = 0, .granularity = 4_KiB, .context = 1_GiB};
}

result<torch_instance> torch_backend::start(replica_start const& what) const {
  GPUPLACE_CHECK(check_start(what));
  auto const& planned = what.whole->models[what.model];
  auto const& placed = planned.replicas[what.replica];
  GPUPLACE_TRY(auto const model, open_planned_model(planned));
  if (model.config.experts > 0)
    return error{errc::unsupported, "layers of several experts cannot be run in process yet", planned.source,
                 "run the plan with transformers (--format device-map), or run a model whose layers have one MLP"};
  GPUPLACE_TRY(auto const weights, open_planned_weights(model));
  torch_detail::executor_options options;
  options.threads = options_.threads > 0 ? options_.threads : threads_of(placed, what.devices);
  options.page_tokens = std::max<std::int64_t>(1, options_.page_tokens);
  options.step_tokens = options_.step_tokens;
  if (placed.stages.front().device.kind == device_kind::cuda) {
#ifdef GPUPLACE_HAVE_CUDA
    GPUPLACE_TRY(auto executor, torch_detail::cuda_executor::load(planned, placed, model, *weights, options));
    return torch_instance(torch_instance::impl::run(std::move(executor)));
#else
    return error{errc::unsupported, "this build runs on cpu devices alone", "stage on " + to_string(placed.stages.front().device),
                 "build with CUDA's compiler (scripts/install_cuda), or plan for this machine's cores: --topology cpu:1"};
#endif
  }
  GPUPLACE_TRY(auto executor, torch_detail::torch_executor::load(planned, placed, model, weights, options));
  return torch_instance(torch_instance::impl::run(std::move(executor)));
}

}  // namespace gpuplace
