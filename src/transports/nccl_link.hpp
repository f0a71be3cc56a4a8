#pragma once
/// @file
/// Activations between GPUs of two processes, by NCCL. It is loaded when it is first needed.

#include "runtime.hpp"

#include <gpuplace/runtime/transport.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace::cuda {

/// One end of a way from one process to another. NCCL moves the data as the stream comes to it; no host waits.
class nccl_link {
public:
  static constexpr std::string_view name = "nccl";
  using queue = cudaStream_t;

  /// What both ends must have in common: made by one, told to the other.
  /// @throws std::runtime_error that says what to do where the library is not found
  static std::string make_id();

  /// Blocks until the other end does the same. The GPU it is on is the current device.
  /// @throws std::runtime_error
  nccl_link(std::string const& id, bool sends);
  nccl_link(nccl_link&& other) noexcept : made_(std::exchange(other.made_, nullptr)) {}
  nccl_link& operator=(nccl_link&& other) noexcept {
    std::swap(made_, other.made_);
    return *this;
  }
  ~nccl_link();

  void send(std::span<std::byte const> data, queue on);
  void reuse(queue) {}  ///< what was sent is out of the way when the stream has passed it
  void receive(std::span<std::byte> room, queue on);

private:
  void* made_ = nullptr;
};
static_assert(check_transport<nccl_link>());

}  // namespace gpuplace::cuda
