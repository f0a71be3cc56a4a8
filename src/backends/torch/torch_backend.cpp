#include <gpuplace/backends/torch.hpp>

#include "ranks/cut_by_rank.hpp"
#include "ranks/remote_executor.hpp"
#include "ranks/stage_worker.hpp"
#include "torch_executor.hpp"
#ifdef GPUPLACE_HAVE_CUDA
#include "cuda/cuda_executor.hpp"
#endif

#include <gpuplace/runtime/instance.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <algorithm>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace gpuplace {
namespace {

/// The cores of some stages' CPU slots; a slot of which nothing is known has all of the machine's.
int threads_of(std::span<stage const> stages, device_group const& devices) {
  auto const all = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int threads = 0;
  std::set<device_id> counted;
  for (auto const& s : stages) {
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

namespace {

/// A replica with its checkpoint.
struct opened_replica {
  model_plan const* planned = nullptr;
  replica const* placed = nullptr;
  model_description model;
  std::shared_ptr<checkpoint const> weights;
  torch_detail::executor_options options;
  device_group const* devices = nullptr;

  bool on_gpus() const { return placed->stages.front().device.kind == device_kind::cuda; }
};

result<opened_replica> open_replica(replica_start const& what, torch_options const& chosen) {
  GPUPLACE_CHECK(check_start(what));
  auto const& planned = what.whole->models[what.model];
  opened_replica made{.planned = &planned, .placed = &planned.replicas[what.replica], .devices = &what.devices};
  GPUPLACE_TRY(made.model, open_planned_model(planned));
  if (made.model.config.experts > 0)
    return error{errc::unsupported, "layers of several experts cannot be run in process yet", planned.source,
                 "run the plan with transformers (--format device-map), or run a model whose layers have one MLP"};
  GPUPLACE_TRY(made.weights, open_planned_weights(made.model));
  made.options.threads = chosen.threads;
  made.options.page_tokens = std::max<std::int64_t>(1, chosen.page_tokens);
  made.options.step_tokens = chosen.step_tokens;
  return made;
}

/// Loads some of the replica's stages and hands the executor, whatever its type, to `use`, which gives a result.
template <class Use>
auto load_part(opened_replica const& from, torch_detail::stage_segment const& part, Use use)
    -> decltype(use(std::declval<torch_detail::torch_executor>())) {
  auto options = from.options;
  if (options.threads <= 0) options.threads = threads_of(part.of(*from.placed), *from.devices);
  if (from.on_gpus()) {
#ifdef GPUPLACE_HAVE_CUDA
    GPUPLACE_TRY(auto executor,
                 torch_detail::cuda_executor::load(*from.planned, *from.placed, from.model, *from.weights, options, part));
    return use(std::move(executor));
#else
    return error{errc::unsupported, "this build runs on cpu devices alone",
                 "stage on " + to_string(from.placed->stages.front().device),
                 "build with CUDA's compiler (scripts/install_cuda), or plan for this machine's cores: --topology cpu:1"};
#endif
  }
  GPUPLACE_TRY(auto executor,
               torch_detail::torch_executor::load(*from.planned, *from.placed, from.model, from.weights, options, part));
  return use(std::move(executor));
}

/// Rank 0's side of a replica: its own stages, if it has some, and orders to the ranks that have others.
result<torch_detail::remote_executor> start_over_ranks(opened_replica const& from,
                                                       std::shared_ptr<torch_detail::rank_group> const& group, std::size_t number,
                                                       std::vector<torch_detail::ranked_segment> const& parts) {
  GPUPLACE_TRY(auto limits, torch_detail::find_limits(*from.planned, *from.placed, from.model.config, from.options.page_tokens,
                                                      from.options.step_tokens));
  // Stages on CPU slots of one process work in turn, GPUs side by side.
  limits.executor.micro_batches = from.on_gpus() ? std::ssize(from.placed->stages) : std::ssize(parts);
  limits.executor.steps = limits.executor.micro_batches > 1 ? limits.executor.micro_batches + 1 : 1;
  std::vector<int> ranks;
  std::unique_ptr<torch_detail::own_part> mine;
  for (auto const& p : parts) {
    ranks.push_back(p.rank);
    if (p.rank != 0) continue;
    GPUPLACE_TRY(mine, load_part(from, p.part, []<class E>(E executor) -> result<std::unique_ptr<torch_detail::own_part>> {
                   return std::make_unique<torch_detail::own_part_of<E>>(std::move(executor));
                 }));
  }
  return torch_detail::remote_executor::start(group, number, std::move(ranks), limits.executor, std::move(mine));
}

}  // namespace

result<torch_instance> torch_backend::start(replica_start const& what) const {
  GPUPLACE_TRY(auto const opened, open_replica(what, options_));
  if (ranks_) {
    GPUPLACE_TRY(auto const parts, torch_detail::cut_by_rank(ranks_, *opened.placed, what.replica));
    if (parts.size() > 1 || parts.front().rank != 0) {
      GPUPLACE_TRY(auto executor, start_over_ranks(opened, ranks_, what.replica, parts));
      return torch_instance(torch_instance::impl::run(std::move(executor)));
    }
  }
  return load_part(opened, torch_detail::whole_of(*opened.placed), [](auto executor) -> result<torch_instance> {
    return torch_instance(torch_instance::impl::run(std::move(executor)));
  });
}

result<plan> torch_backend::join(world const& here, plan const& whole, seconds limit) {
  GPUPLACE_TRY(auto met, torch_detail::rank_group::meet(here, whole, limit));
  ranks_ = std::move(met.group);
  return std::move(met.whole);
}

result<void> torch_backend::serve(replica_start const& what) const {
  if (!ranks_) return error{errc::invalid_argument, "it has not joined other processes", "torch backend", {}};
  std::vector<std::future<result<void>>> serving;
  auto const& replicas = what.whole->models.at(what.model).replicas;
  for (std::size_t r = 0; r < replicas.size(); ++r) {
    GPUPLACE_TRY(auto const parts, torch_detail::cut_by_rank(ranks_, replicas[r], r));
    auto const own = std::ranges::find(parts, ranks_->here().rank, &torch_detail::ranked_segment::rank);
    if (own == parts.end()) continue;
    bool const last = own == parts.end() - 1;
    serving.push_back(std::async(std::launch::async, [this, &what, r, part = own->part, last]() -> result<void> {
      auto one = what;
      one.replica = r;
      bool loaded = false;
      auto const serve_one = [&]() -> result<void> {
        GPUPLACE_TRY(auto const opened, open_replica(one, options_));
        return load_part(opened, part, [&](auto executor) -> result<void> {
          loaded = true;
          return torch_detail::run_orders(*ranks_, r, std::move(executor), last);
        });
      };
      auto const served = serve_one();
      if (!served && !loaded) torch_detail::say_why(*ranks_, r, served.error());
      return served;
    }));
  }
  result<void> all;
  for (auto& one : serving)
    if (auto const ended = one.get(); !ended && all) all = ended;
  return all;
}

}  // namespace gpuplace
