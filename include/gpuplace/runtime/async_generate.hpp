#pragma once
/// @file
/// Generation as an Asio operation.

#include <gpuplace/runtime/detail/async_operation.hpp>
#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/system_executor.hpp>

#include <utility>

namespace gpuplace {

/// Runs one request on an instance; completes with result<generation>.
/// Takes any completion token; runs `on_tokens` and the handler on the handler's associated executor, without one on the
/// system executor's threads; a signal on its cancellation slot ends the request with finish_reason::cancelled.
/// @param on_tokens  told of new tokens as they come; may be empty
inline constexpr struct async_generate_function {
  template <model_instance I, class Token>
  auto operator()(I& instance, generation_request request, token_sink on_tokens, Token&& token) const {
    return detail::async_operation<result<generation>>(boost::asio::system_executor(), std::forward<Token>(token),
                                                       [&instance, request = std::move(request), on_tokens = std::move(on_tokens)](
                                                           boost::asio::any_io_executor where, generation_handler on_end) mutable {
                                                         return instance.start(std::move(request), std::move(where),
                                                                               std::move(on_tokens), std::move(on_end));
                                                       });
  }
} async_generate;

}  // namespace gpuplace
