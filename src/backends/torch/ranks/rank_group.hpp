#pragma once
/// @file
/// The processes of one run: they meet at rank 0's address, and send each other bytes.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/world.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gpuplace::torch_detail {

/// Messages by libtorch's c10d over Gloo. Between two ranks those of one tag arrive in order.
/// Threads:    any, but one at a time for each rank, tag and direction
class rank_group {
public:
  struct met {
    std::shared_ptr<rank_group> group;
    plan whole;  ///< rank 0's
  };
  /// Waits until all ranks are here with the same plan, but for the memory that each of them found free.
  /// @param limit  for all of them to come
  /// Errors:     errc::timed_out naming the ranks that did not come; errc::mismatch naming those with another plan; errc::unavailable
  ///             for an address or port that cannot be used; as device_owners::deal
  static result<met> meet(world const& here, plan const& whole, seconds limit);
  ~rank_group();

  world const& here() const { return here_; }
  int owner(device_id const& device) const { return owners_.owner(device); }
  std::string name_of(int rank) const;

  /// @throws std::runtime_error naming the rank that is gone
  void send(int rank, int tag, std::span<std::byte const> data);
  void receive(int rank, int tag, std::span<std::byte> room);
  /// Sends bytes with their length before them, in order with others of the tag, without waiting until they are taken.
  void post_message(int rank, int tag, std::vector<std::byte> data);
  /// Waits until all that was posted is taken.
  void flush(int rank, int tag);
  std::vector<std::byte> receive_message(int rank, int tag);

  /// Whoever waits for such a message, now or later, gets an exception.
  void stop_receiving(int rank, int tag);

  /// A note that any rank may leave and any rank may wait for.
  void publish(std::string const& key, std::string const& value);
  result<std::string> look_up(std::string const& key, seconds limit);

private:
  struct state;
  template <class Letter>
  void wait_for(int rank, Letter& posted);
  rank_group(world here, device_owners owners, std::vector<std::string> hosts, std::unique_ptr<state> made);
  world here_;
  device_owners owners_;
  std::vector<std::string> hosts_;
  std::unique_ptr<state> state_;
};

/// Tags of a replica's messages.
inline constexpr int order_tag(std::size_t replica) { return static_cast<int>(3 * replica); }
inline constexpr int answer_tag(std::size_t replica) { return static_cast<int>(3 * replica + 1); }
inline constexpr int hidden_tag(std::size_t replica) { return static_cast<int>(3 * replica + 2); }

}  // namespace gpuplace::torch_detail
