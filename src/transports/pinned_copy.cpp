#include "pinned_copy.hpp"

namespace gpuplace::cuda {

pinned_copy::pinned_copy(int from, int to, std::size_t most) : between_(allocate_pinned(most)), sent_(from), taken_(to) {}

void pinned_copy::send(std::span<std::byte const> data, queue on) {
  taken_.hold(on);
  check(cudaMemcpyAsync(between_.as(), data.data(), data.size(), cudaMemcpyDeviceToHost, on), "sending activations to the host");
  sent_.record(on);
}

void pinned_copy::receive(std::span<std::byte> room, queue on) {
  sent_.hold(on);
  check(cudaMemcpyAsync(room.data(), between_.as(), room.size(), cudaMemcpyHostToDevice, on), "fetching activations from the host");
  taken_.record(on);
}

}  // namespace gpuplace::cuda
