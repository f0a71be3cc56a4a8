#pragma once
/// @file
/// Activations from one GPU to another of the same process, straight through NVLink or PCIe.

#include "runtime.hpp"

#include <gpuplace/runtime/transport.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace gpuplace::cuda {

/// The sender writes memory of the receiver's, who takes it from there when it comes to it: the sender goes on meanwhile, and no host
/// waits. Both halves are called by one thread, each with its device current.
class peer_copy {
public:
  static constexpr std::string_view name = "peer_copy";
  using queue = cudaStream_t;

  /// Between devices that connect() has connected, or within one.
  /// @param most  bytes of the largest message
  /// @throws cuda::failure
  peer_copy(int from, int to, std::size_t most);

  void send(std::span<std::byte const> data, queue on);
  void reuse(queue) {}  ///< the copy that is already in the sender's stream comes first
  void receive(std::span<std::byte> room, queue on);

private:
  int from_, to_;
  device_memory inbox_;  ///< of the receiver
  event sent_, taken_;   ///< on the sender's device; on the receiver's
};
static_assert(check_transport<peer_copy>());

}  // namespace gpuplace::cuda
