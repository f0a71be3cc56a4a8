#pragma once
/// @file
/// Any execution backend behind one type, and any instance that a backend starts.

#include <gpuplace/plugin/detail/erased.hpp>
#include <gpuplace/plugin/detail/without_exceptions.hpp>
#include <gpuplace/runtime/execution_backend.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <utility>

namespace gpuplace {

/// Owns any model instance and is one itself. Its backend's library stays loaded until the instance and every
/// function that cancels one of its requests are gone.
/// Threads:    as the instance
/// Complexity: one virtual call for each operation
class any_instance {
public:
  template <class I>
    requires(!std::same_as<I, any_instance> && model_instance<I>)
  any_instance(I instance) : object_(std::make_unique<model<I>>(std::move(instance))) {}

  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                        generation_handler on_end) {
    auto cancel = object_->start(std::move(request), std::move(where), std::move(on_tokens), std::move(on_end));
    if (!object_.library()) return cancel;
    return kept_cancel{object_.library(), std::move(cancel)};
  }
  instance_load load() const { return object_->load(); }
  instance_statistics statistics() const { return object_->statistics(); }

  /// Keeps `library`, which holds the instance's code, loaded for as long as this object lives.
  void keep_library(std::shared_ptr<void> library) { object_.keep(std::move(library)); }

private:
  struct kept_cancel {
    std::shared_ptr<void> library;
    cancel_function cancel;
    void operator()() const { cancel(); }
  };
  struct interface {
    virtual ~interface() = default;
    virtual cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                                  generation_handler on_end) = 0;
    virtual instance_load load() const = 0;
    virtual instance_statistics statistics() const = 0;
  };
  template <class I>
  struct model final : interface {
    explicit model(I i) : instance(std::move(i)) {}
    cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                          generation_handler on_end) override {
      return instance.start(std::move(request), std::move(where), std::move(on_tokens), std::move(on_end));
    }
    instance_load load() const override { return instance.load(); }
    instance_statistics statistics() const override {
      if constexpr (has_statistics<I>) return instance.statistics();
      else return {};
    }
    I instance;
  };

  detail::erased_unique<interface> object_;
};
static_assert(model_instance<any_instance>);

/// Holds a copy of any backend and is one itself. Where the backend is known when compiling, use it as it is.
/// Names and levels are read as `b.name` and `b.level`, which is right for an object of this type and for a backend whose
/// name and level are static.
/// Threads:    const calls are safe on shared objects if they are safe on the backend's
/// Complexity: one virtual call for each operation
class any_backend {
public:
  using instance = any_instance;

  std::string name;     ///< the backend's own
  std::string label;    ///< the spec it was made from; its name where it was made from an object
  backend_level level;  ///< how far it climbs the contract tests

  template <class B>
    requires(!std::same_as<B, any_backend> && execution_backend<B>)
  any_backend(B backend)
      : name(backend.name), label(name), level(backend.level), object_(std::make_unique<model<B>>(std::move(backend))) {}

  memory_profile memory() const { return object_->memory(); }
  clock_function time() const { return object_->time(); }
  /// What a plugin's backend throws is an error here.
  result<any_instance> start(replica_start const& what) const {
    if (!object_.library()) return object_->start(what);
    auto started = detail::without_exceptions("backend " + label, [&] { return object_->start(what); });
    if (started) started->keep_library(object_.library());
    return started;
  }

  /// As has_ranks has them. Errors: errc::unsupported where the backend runs in one process alone
  result<plan> join(world const& here, plan const& whole, seconds limit) {
    return detail::without_exceptions("backend " + label, [&] { return object_->join(here, whole, limit); });
  }
  result<void> serve(replica_start const& what) {
    return detail::without_exceptions("backend " + label, [&] { return object_->serve(what); });
  }

  /// Keeps `library`, which holds the backend's code, loaded for as long as this object, a copy of it or an instance
  /// that it started lives.
  void keep_library(std::shared_ptr<void> library) { object_.keep(std::move(library)); }

private:
  struct interface {
    virtual ~interface() = default;
    virtual std::unique_ptr<interface> clone() const = 0;
    virtual memory_profile memory() const = 0;
    virtual clock_function time() const = 0;
    virtual result<any_instance> start(replica_start const& what) const = 0;
    virtual result<plan> join(world const& here, plan const& whole, seconds limit) = 0;
    virtual result<void> serve(replica_start const& what) = 0;
  };
  template <class B>
  struct model final : interface {
    explicit model(B b) : backend(std::move(b)) {}
    std::unique_ptr<interface> clone() const override { return std::make_unique<model>(backend); }
    memory_profile memory() const override { return backend.memory(); }
    clock_function time() const override {
      if constexpr (has_time<B>) return backend.time();
      else return steady_seconds;
    }
    result<any_instance> start(replica_start const& what) const override {
      GPUPLACE_TRY(auto started, backend.start(what));
      return any_instance(std::move(started));
    }
    result<plan> join(world const& here, plan const& whole, seconds limit) override {
      if constexpr (has_ranks<B>) return backend.join(here, whole, limit);
      else return one_process();
    }
    result<void> serve(replica_start const& what) override {
      if constexpr (has_ranks<B>) return backend.serve(what);
      else return one_process();
    }
    error one_process() const {
      return {errc::unsupported, "the backend " + std::string(backend.name) + " runs in one process alone", "ranks",
              "start it without torchrun, mpirun or srun"};
    }
    B backend;
  };

  detail::erased_value<interface> object_;
};
static_assert(check_execution_backend<any_backend>());

}  // namespace gpuplace
