#pragma once
/// @file
/// A batch whose requests are read one by one, and who is told how it goes on.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstddef>
#include <functional>
#include <optional>

namespace gpuplace {

/// Most requests that an instance holds, and that a batch has with the instances, where nothing else is said.
inline constexpr std::size_t default_requests_held = 65536;

/// Where the requests of a batch come from. Memory grows with `in_flight` alone, however long the batch is.
struct batch_source {
  std::size_t count = 0;  ///< requests in the batch, those that are skipped among them
  /// Request `index`, asked for once, when its turn comes; nothing where it is to be skipped. Called by one handler at a time.
  std::function<std::optional<result<generation_request>>(std::size_t index)> read;
  /// Most requests that are with the instances at once. A few more than they have slots keep every device busy.
  std::size_t in_flight = default_requests_held;
};

/// Told how a batch goes on, one call at a time; any may be empty.
struct batch_sinks {
  /// New tokens of request `index`, which runs on `instance`.
  std::function<void(std::size_t index, std::size_t instance, token_piece const&)> on_tokens;
  /// Request `index` lost its device and begins again on another instance: the tokens told of it are void, and come anew.
  /// Where this is empty, a request of which tokens were told ends with errc::device_lost instead.
  std::function<void(std::size_t index, error const& why)> on_restart;
  /// The result of request `index`.
  std::function<void(std::size_t index, result<generation> const&)> on_result;
};

}  // namespace gpuplace
