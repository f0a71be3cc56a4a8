#pragma once
/// @file
/// The torch backend: replicas that run in this process. Link gpuplace::torch; no header of libtorch is needed to use it.

#include <gpuplace/plan/memory_profile.hpp>
#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>

#include <cstdint>
#include <memory>
#include <string_view>

namespace gpuplace {

namespace torch_detail {
class rank_group;
}

/// How replicas run; the defaults serve.
struct torch_options {
  int threads = 0;                ///< CPU threads of each replica; 0: the cores of its `cpu:` devices together
  std::int64_t page_tokens = 16;  ///< tokens a page of the KV cache holds; planning counts with demand::kv_page
  std::int64_t step_tokens = 0;   ///< most tokens in one step; 0: as demand::max_step_tokens says

  friend bool operator==(torch_options const&, torch_options const&) = default;
};

/// A replica that runs in this process; models model_instance. Steps run on a thread of its own.
/// Threads:    start and load from any thread
class torch_instance {
public:
  torch_instance(torch_instance&&) noexcept;
  torch_instance& operator=(torch_instance&&) noexcept;
  ~torch_instance();

  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                        generation_handler on_end);
  instance_load load() const;
  instance_statistics statistics() const;

private:
  friend class torch_backend;
  class impl;
  explicit torch_instance(std::unique_ptr<impl> made);
  std::unique_ptr<impl> impl_;
};

/// Runs Llama, Mistral, Qwen2, Qwen3, Gemma 2 and Gemma 3 checkpoints (safetensors) in fp32 or bf16 on CPU slots, whole or split
/// into stages. Weights in the format that is computed with are used where their file is mapped: it must not change meanwhile.
/// Threads:    const calls are safe on shared objects
class torch_backend {
public:
  static constexpr std::string_view name = "torch";
  static constexpr backend_level level = backend_level::runs_many_devices;
  using instance = torch_instance;

  torch_backend() = default;
  explicit torch_backend(torch_options options) : options_(options) {}

  /// What libtorch and the executor take beside weights, KV cache and the units' own workspace.
  memory_profile memory() const;

  /// Loads one replica's weights from the folder that model_plan::source names and starts its thread.
  /// Errors:     errc::not_found, errc::malformed (the checkpoint); errc::mismatch (weights that the plan was not made for);
  ///             errc::unsupported (device kinds, formats, adapters); errc::invalid_argument (stages that are not the model's
  ///             chain); errc::does_not_fit (memory)
  result<instance> start(replica_start const& what) const;

  /// Meets the other processes of a run: from then on, stages run where their device's process is. All must have planned alike, but for
  /// the memory that each found free; what rank 0 has planned is carried out, and given back.
  /// Errors:     errc::timed_out naming the ranks that did not come; errc::mismatch naming those with another plan;
  ///             errc::invalid_argument for ranks without a device; errc::unavailable for a network that cannot be used
  result<plan> join(world const& here, plan const& whole, seconds limit);
  /// The stages of this process, for as long as rank 0 has work for them.
  /// Errors:     as start; errc::device_lost for a rank that is gone
  result<void> serve(replica_start const& what) const;

  torch_options const& options() const { return options_; }

private:
  torch_options options_;
  std::shared_ptr<torch_detail::rank_group> ranks_;  ///< null: this process runs everything
};

static_assert(check_execution_backend<torch_backend>() && has_ranks<torch_backend>);

}  // namespace gpuplace
