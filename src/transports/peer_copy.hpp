#pragma once
/// @file
/// Activations from one GPU to another of the same process, straight through NVLink or PCIe.

#include "runtime.hpp"

#include <gpuplace/runtime/transport.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace gpuplace::cuda {

/// The receiver fetches what the sender has computed; no host waits. Both halves are called by one thread, each with its device current.
class peer_copy {
public:
  static constexpr std::string_view name = "peer_copy";
  using queue = cudaStream_t;

  /// Between devices that connect() has connected, or within one.
  /// @throws cuda::failure
  peer_copy(int from, int to);

  void send(std::span<std::byte const> data, queue on);
  void reuse(queue on);
  void receive(std::span<std::byte> room, queue on);

private:
  int from_, to_;
  event sent_, taken_;  ///< on the sender's device; on the receiver's
  std::byte const* data_ = nullptr;
};
static_assert(check_transport<peer_copy>());

}  // namespace gpuplace::cuda
