#include "peer_copy.hpp"

namespace gpuplace::cuda {
namespace {

device_memory inbox_on(int device, std::size_t most) {
  device_scope const there(device);
  return allocate(most, "reserving memory for activations");
}

}  // namespace

peer_copy::peer_copy(int from, int to, std::size_t most)
    : from_(from), to_(to), inbox_(inbox_on(to, most)), sent_(from), taken_(to) {}

void peer_copy::send(std::span<std::byte const> data, queue on) {
  taken_.hold(on);
  check(cudaMemcpyPeerAsync(inbox_.as(), to_, data.data(), from_, data.size(), on), "sending activations to another GPU");
  sent_.record(on);
}

void peer_copy::receive(std::span<std::byte> room, queue on) {
  sent_.hold(on);
  check(cudaMemcpyAsync(room.data(), inbox_.as(), room.size(), cudaMemcpyDeviceToDevice, on), "taking activations");
  taken_.record(on);
}

}  // namespace gpuplace::cuda
