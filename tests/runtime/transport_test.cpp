#include <gpuplace/runtime/transport.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace gpuplace::runtime_tests {
namespace {

/// The least that models the concept: a queue of messages in this process, whose calls block for nothing.
class in_memory {
public:
  static constexpr std::string_view name = "in_memory";
  struct queue {};
  void send(std::span<std::byte const> data, queue) { way_.emplace_back(data.begin(), data.end()); }
  void reuse(queue) {}
  void receive(std::span<std::byte> room, queue) {
    std::ranges::copy(way_.front(), room.begin());
    way_.pop_front();
  }

private:
  std::deque<std::vector<std::byte>> way_;
};
static_assert(check_transport<in_memory>());

struct without_name : in_memory {
private:
  using in_memory::name;
};
struct without_queue {
  static constexpr std::string_view name = "x";
  void send(std::span<std::byte const>, int) {}
  void reuse(int) {}
  void receive(std::span<std::byte>, int) {}
};
struct sends_without_a_queue : in_memory {
  void send(std::span<std::byte const>) {}
};
struct receives_into_constant_memory : in_memory {
  void receive(std::span<std::byte const>, queue) = delete;
  int receive(std::span<std::byte>, queue) { return 0; }
};
static_assert(!transport<without_name> && !transport<without_queue> && !transport<sends_without_a_queue> &&
              !transport<receives_into_constant_memory>);

TEST(transport, hands_messages_on_in_order) {
  in_memory way;
  std::vector<std::byte> sent(3), room(3);
  for (int i = 0; i < 3; ++i) {
    way.reuse({});
    std::ranges::fill(sent, std::byte(i));
    way.send(sent, {});
  }
  for (int i = 0; i < 3; ++i) {
    way.receive(room, {});
    EXPECT_EQ(room, std::vector(3, std::byte(i)));
  }
}

}  // namespace
}  // namespace gpuplace::runtime_tests
