#pragma once
/// @file
/// Activations from one GPU to another through the host's memory, where GPUs cannot reach each other.

#include "runtime.hpp"

#include <gpuplace/runtime/transport.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace gpuplace::cuda {

/// The sender writes pinned memory, which the receiver reads; no host waits. Both halves are called by one thread, each with its device
/// current.
class pinned_copy {
public:
  static constexpr std::string_view name = "pinned_copy";
  using queue = cudaStream_t;

  /// @param most  bytes of the largest message
  /// @throws cuda::failure
  pinned_copy(int from, int to, std::size_t most);

  void send(std::span<std::byte const> data, queue on);
  void reuse(queue) {}  ///< the copy that is already in the sender's stream comes first
  void receive(std::span<std::byte> room, queue on);

private:
  pinned_memory between_;
  event sent_, taken_;  ///< on the sender's device; on the receiver's
};
static_assert(check_transport<pinned_copy>());

}  // namespace gpuplace::cuda
