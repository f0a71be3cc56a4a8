#include "peer_copy.hpp"

namespace gpuplace::cuda {

peer_copy::peer_copy(int from, int to) : from_(from), to_(to), sent_(from), taken_(to) {}

void peer_copy::send(std::span<std::byte const> data, queue on) {
  data_ = data.data();
  sent_.record(on);
}

void peer_copy::reuse(queue on) { taken_.hold(on); }

void peer_copy::receive(std::span<std::byte> room, queue on) {
  sent_.hold(on);
  check(cudaMemcpyPeerAsync(room.data(), to_, data_, from_, room.size(), on), "fetching activations from another GPU");
  taken_.record(on);
}

}  // namespace gpuplace::cuda
