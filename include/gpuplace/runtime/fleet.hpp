#pragma once
/// @file
/// The instances that serve one plan, behind a router.

#include <gpuplace/runtime/detail/async_operation.hpp>
#include <gpuplace/runtime/detail/fleet_state.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>

#include <concepts>
#include <memory>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

template <class T>
concept loop_or_executor = std::derived_from<std::remove_cvref_t<T>, boost::asio::execution_context> ||
                           std::convertible_to<T, boost::asio::any_io_executor>;

template <loop_or_executor Loop>
boost::asio::any_io_executor executor_of(Loop&& loop) {
  if constexpr (std::derived_from<std::remove_cvref_t<Loop>, boost::asio::execution_context>) return loop.get_executor();
  else return loop;
}

}  // namespace detail

/// Carries out a plan that is ready, such as one that was loaded from a file; `deployment` makes its plan itself.
/// The constructor cannot fail: what is wrong is said by plan() and async_start(). Operations take any completion token and
/// run handlers on the handler's associated executor, or else on the loop; a signal on the handler's cancellation slot
/// cancels. The destructor ends what is in flight as cancelled, waits, and frees all device memory.
/// Threads:    operations from any thread; the destructor when nobody else calls
template <routing_strategy R, execution_backend B>
class fleet {
public:
  /// @param loop    an Asio execution context or executor: where handlers run that name no executor
  /// @param placed  the plan, or why there is none
  /// @param view    the devices that the plan was made for
  /// @param work    the model that the plan was made for
  template <detail::loop_or_executor Loop>
  fleet(Loop&& loop, result<gpuplace::plan> placed, device_group view, workload work, R router, B backend)
      : loop_(detail::executor_of(loop)),
        state_(
            std::make_shared<state>(std::move(placed), std::move(view), std::move(work), std::move(router), std::move(backend))) {}
  fleet(fleet&&) noexcept = default;
  fleet& operator=(fleet&&) = delete;
  ~fleet() {
    if (state_) state_->close();
  }

  result<gpuplace::plan> const& plan() const { return state_->placed(); }

  /// Starts every replica, several at once and off the loop; completes with result<void>.
  /// Errors: plan()'s; errc::unsupported for a plan of several models; errc::mismatch for another model than the plan's;
  /// the backend's for the first replica that did not start, and then none runs; errc::cancelled
  template <class Token>
  auto async_start(Token&& token) {
    return detail::async_operation<result<void>>(
        loop_, std::forward<Token>(token),
        [s = state_](boost::asio::any_io_executor where, std::function<void(result<void>)> on_end) {
          return s->start(std::move(where), std::move(on_end));
        });
  }

  /// Runs one request on the instance that the router chooses; completes with result<generation>.
  /// @param on_tokens  told of new tokens as they come; may be empty
  template <class Token>
  auto async_generate(generation_request request, token_sink on_tokens, Token&& token) {
    return detail::async_operation<result<generation>>(loop_, std::forward<Token>(token),
                                                       [s = state_, request = std::move(request), on_tokens = std::move(on_tokens)](
                                                           boost::asio::any_io_executor where, generation_handler on_end) mutable {
                                                         return s->generate(std::move(request), std::move(where),
                                                                            std::move(on_tokens), std::move(on_end));
                                                       });
  }

  /// Runs a batch; completes with std::vector<result<generation>> in the order of the requests, each with its own error
  /// where it failed. The position in the batch becomes each request's index, and with it decides its seed.
  /// @param sinks  told of tokens and results as they come, one call at a time
  template <class Token>
  auto async_generate_all(std::vector<generation_request> requests, batch_sinks sinks, Token&& token) {
    return detail::async_operation<std::vector<result<generation>>>(
        loop_, std::forward<Token>(token),
        [s = state_, requests = std::move(requests), sinks = std::move(sinks)](
            boost::asio::any_io_executor where, std::function<void(std::vector<result<generation>>)> on_end) mutable {
          return s->generate_all(std::move(requests), std::move(sinks), std::move(where), std::move(on_end));
        });
  }

  /// Runs a batch that is read bit by bit and need not fit in memory; completes with the number of results, as std::size_t,
  /// when every request has its own or, once cancelled, when those in flight have: the others are not asked for.
  /// @param source  the requests, whose own index decides the seed
  /// @param sinks   told of tokens and results as they come, one call at a time
  template <class Token>
  auto async_generate_from(batch_source source, batch_sinks sinks, Token&& token) {
    return detail::async_operation<std::size_t>(
        loop_, std::forward<Token>(token),
        [s = state_, source = std::move(source), sinks = std::move(sinks)](boost::asio::any_io_executor where,
                                                                           std::function<void(std::size_t)> on_end) mutable {
          return s->generate_from(std::move(source), std::move(sinks), std::move(where), std::move(on_end));
        });
  }

  /// One entry for each instance, in the plan's order; none before async_start has completed.
  std::vector<instance_load> load() const { return state_->load(); }

  /// What each instance has done, in the same order; zeros for a backend whose instances keep no count.
  std::vector<instance_statistics> statistics() const { return state_->statistics(); }

private:
  using state = detail::fleet_state<R, B>;

  boost::asio::any_io_executor loop_;
  std::shared_ptr<state> state_;
};

template <class Loop, class Plan, routing_strategy R, execution_backend B>
fleet(Loop&&, Plan, device_group, workload, R, B) -> fleet<R, B>;

}  // namespace gpuplace
