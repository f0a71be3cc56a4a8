// Both ways between GPUs of one process, on two GPUs where there are two and else from one stream to another.
#include "peer_copy.hpp"
#include "pinned_copy.hpp"
#include "backends/torch/cuda/cuda_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gpuplace::cuda {
namespace {

constexpr std::size_t most = std::size_t{1} << 22;

/// A device's end: memory to send from or to receive in, and a stream.
struct place {
  explicit place(int gpu) : device(gpu), memory((use_device(gpu), allocate(most, "a message"))) {}
  std::span<std::byte> bytes(std::size_t count) const { return {memory.as(), count}; }
  int device;
  device_memory memory;
  stream on;
};

template <class Transport>
class copies : public ::testing::Test {};
using ways = ::testing::Types<peer_copy, pinned_copy>;
TYPED_TEST_SUITE(copies, ways);

/// The sender writes over its memory at once after every send: what arrives is what was sent only where the order is kept.
TYPED_TEST(copies, a_hundred_messages_arrive_in_order_though_nobody_waits) {
  GPUPLACE_NEEDS_GPU();
  int const from = 0, to = device_count() - 1;
  if (from != to && !connect(from, to)) GTEST_SKIP() << "the GPUs cannot reach each other";
  place const sender(from), receiver(to);
  TypeParam way(from, to, most);
  constexpr int messages = 100;
  use_device(to);
  auto const seen = allocate_pinned(messages * 2);
  for (int i = 0; i < messages; ++i) {
    auto const size = std::size_t{i % 2 ? most : 4096};
    use_device(from);
    way.reuse(sender.on);
    check(cudaMemsetAsync(sender.memory.as(), i, size, sender.on), "writing a message");
    way.send(sender.bytes(size), sender.on);
    use_device(to);
    way.receive(receiver.bytes(size), receiver.on);
    for (auto const& [at, end] : {std::pair(0, 0), std::pair(1, static_cast<int>(size) - 1)})
      check(cudaMemcpyAsync(seen.as() + 2 * i + at, receiver.memory.as() + end, 1, cudaMemcpyDeviceToHost, receiver.on), "reading");
  }
  receiver.on.wait();
  for (int i = 0; i < messages; ++i) {
    EXPECT_EQ(seen.as<std::uint8_t>()[2 * i], i);
    EXPECT_EQ(seen.as<std::uint8_t>()[2 * i + 1], i);
  }
}

}  // namespace
}  // namespace gpuplace::cuda
