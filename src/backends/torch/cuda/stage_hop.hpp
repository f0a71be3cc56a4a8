#pragma once
/// @file
/// How the hidden state gets from a stage to the next one, in this process or another.

#include "../executor_plan.hpp"

#include <nccl_link.hpp>
#include <peer_copy.hpp>
#include <pinned_copy.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

namespace gpuplace::torch_detail {

/// One of the transports between GPUs, with calls as gpuplace::transport has them.
class stage_hop {
public:
  /// Straight where the two reach each other, else through the host.
  /// @param most  bytes of the largest message
  static stage_hop between(int from, int to, std::size_t most);

  /// The end of a way to or from another process; blocks until that one makes its own. The GPU it is on is the current device.
  static stage_hop across(neighbour const& other, bool sends);

  std::string_view name() const {
    return std::visit([](auto const& by) { return by.name; }, way_);
  }
  void send(std::span<std::byte const> data, cudaStream_t on) {
    std::visit([&](auto& by) { by.send(data, on); }, way_);
  }
  void reuse(cudaStream_t on) {
    std::visit([&](auto& by) { by.reuse(on); }, way_);
  }
  void receive(std::span<std::byte> room, cudaStream_t on) {
    std::visit([&](auto& by) { by.receive(room, on); }, way_);
  }

private:
  using way = std::variant<cuda::peer_copy, cuda::pinned_copy, cuda::nccl_link>;
  explicit stage_hop(way chosen) : way_(std::move(chosen)) {}
  way way_;
};

}  // namespace gpuplace::torch_detail
