#pragma once
/// @file
/// The concepts of a backend, which starts a replica of a plan, and of the model instance it gives back.

#include <gpuplace/core/named.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/memory_profile.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/routing/fleet_view.hpp>
#include <gpuplace/runtime/clock.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/world.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace gpuplace {

/// How far a backend climbs the contract tests of testing/.
enum class backend_level {
  constructs = 1,
  discovers = 2,
  runs_one_device = 3,
  runs_many_devices = 4,
  survives_failure = 5,  ///< cancels, times out, reports a lost device
};

/// Which replica of a plan to start, and on what.
struct replica_start {
  std::shared_ptr<plan const> whole;
  std::size_t model = 0;
  std::size_t replica = 0;
  model_description description;
  device_group devices;  ///< the view that the plan was made for
};

/// Told of new tokens; a function of std::span<token_id const> will do for requests of one sample.
using token_sink = std::function<void(token_piece const&)>;
using generation_handler = std::function<void(result<generation>)>;

/// Cancels one request. Calling it twice, or after the end, does nothing.
using cancel_function = std::function<void()>;

/// `i.start(request, where, on_tokens, on_end)` begins a request. Both handlers run on `where`; `on_end` exactly once and
/// last. A handler that blocks delays no device. Returns the function that cancels it.
template <class I>
concept has_start = requires(I& i, generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                             generation_handler on_end) {
  { i.start(std::move(request), where, std::move(on_tokens), std::move(on_end)) } -> std::same_as<cancel_function>;
};

/// `i.load()` may be called from any thread.
template <class I>
concept has_load = requires(I const& i) {
  { i.load() } -> std::same_as<instance_load>;
};

/// A replica that runs: generates with streaming and reports its load for the routers. Its destructor cancels what is
/// in flight, waits for it, and frees the devices' memory.
template <class I>
concept model_instance = has_start<I> && has_load<I> && std::movable<I>;

/// True, or a compile error that says what to write.
template <class I>
consteval bool check_model_instance() {
  static_assert(std::movable<I>, "a model instance must be movable: a fleet keeps its instances in a row");
  static_assert(has_start<I>,
                "a model instance needs:  gpuplace::cancel_function start(gpuplace::generation_request, "
                "boost::asio::any_io_executor where, gpuplace::token_sink, gpuplace::generation_handler);");
  static_assert(has_load<I>, "a model instance needs:  gpuplace::instance_load load() const;  what routers see of it");
  return model_instance<I>;
}

template <class B>
concept has_memory_profile = requires(B const& b) {
  { b.memory() } -> std::same_as<memory_profile>;
};

template <class B>
concept has_backend_level = requires {
  { B::level } -> std::convertible_to<backend_level>;
};

/// Optional: `b.time()` gives the clock by which its instances measure; without it that is the machine's.
template <class B>
concept has_time = requires(B const& b) {
  { b.time() } -> std::same_as<clock_function>;
};

/// Optional: `b.join(here, whole, limit)` meets the other processes of a run, within `limit`, and gives the plan that all carry out, which
/// is rank 0's; on rank 0, start() then begins replicas whose stages are in any of them. `b.serve(what)` is what the other ranks do: it blocks until rank 0 has ended, which
/// may be a failure of its own or of a rank that it needs.
template <class B>
concept has_ranks = requires(B& b, world const& here, plan const& whole, seconds limit, replica_start const& what) {
  { b.join(here, whole, limit) } -> std::same_as<result<plan>>;
  { b.serve(what) } -> std::same_as<result<void>>;
};

/// `b.start(replica_start)` loads a replica and blocks until it is ready; a deployment calls it off the user's loop,
/// once for each replica, several at once.
template <class B>
concept has_start_replica = requires(B const& b, replica_start const& what) {
  typename B::instance;
  requires model_instance<typename B::instance>;
  { b.start(what) } -> std::same_as<result<typename B::instance>>;
};

/// Starts the replicas of a plan.
template <class B>
concept execution_backend =
    has_name<B> && has_memory_profile<B> && has_backend_level<B> && has_start_replica<B> && std::copy_constructible<B>;

/// True, or a compile error that says what to write.
template <class B>
consteval bool check_execution_backend() {
  static_assert(std::copy_constructible<B>, "a backend must be copyable: it is settings, its instances hold what runs");
  static_assert(has_name<B>, "a backend needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_memory_profile<B>,
                "a backend needs:  gpuplace::memory_profile memory() const;  what it takes beside weights and KV cache");
  static_assert(has_backend_level<B>,
                "a backend needs:  static constexpr gpuplace::backend_level level = ...;  how far it climbs the contract tests");
  static_assert(has_start_replica<B>,
                "a backend needs a type `instance` that models gpuplace::model_instance, and:  "
                "gpuplace::result<instance> start(gpuplace::replica_start const&) const;");
  return execution_backend<B>;
}

}  // namespace gpuplace
