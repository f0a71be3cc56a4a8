#pragma once
/// @file
/// What a router sees of the instances: an immutable snapshot of their load.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gpuplace {

/// The load of one instance at one moment.
struct instance_load {
  std::int64_t running = 0;        ///< sequences in the current batch
  std::int64_t waiting = 0;        ///< requests not yet admitted
  std::int64_t queued_tokens = 0;  ///< prompt tokens not yet processed
  double kv_used = 0;              ///< fraction of the KV pool in use
  bool available = true;           ///< false: not for this request (starting, draining, lost, or without the adapter it asks for)

  friend bool operator==(instance_load const&, instance_load const&) = default;
};

/// The instances of one fleet, in the order of the plan's replicas.
class fleet_view {
public:
  constexpr explicit fleet_view(std::span<instance_load const> instances) : instances_(instances) {}
  constexpr std::size_t size() const { return instances_.size(); }
  constexpr instance_load const& operator[](std::size_t i) const { return instances_[i]; }
  constexpr auto begin() const { return instances_.begin(); }
  constexpr auto end() const { return instances_.end(); }

private:
  std::span<instance_load const> instances_;
};

/// What a router may look at in a request.
struct routing_request {
  std::size_t index = 0;  ///< position in its batch, or the count of requests so far
  bool alone = false;     ///< it came by itself: `index` says nothing of a batch
  std::size_t prompt_tokens = 0;
  std::string_view adapter;               ///< the LoRA adapter it asks for; empty: the base model
  std::span<std::int32_t const> prompt;   ///< token ids, where they are known
  std::span<std::uint64_t const> prefix;  ///< for each full block of the prompt, from its start, a hash of it and all before it
};

}  // namespace gpuplace
