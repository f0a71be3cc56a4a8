#pragma once
/// @file
/// The concept of a partition: how a model's units spread over one device group.

#include <gpuplace/core/named.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/unit.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

namespace gpuplace {

/// Units [first, last) of a model on the device at `device` in its group.
struct stage_span {
  std::size_t device = 0;
  std::size_t first = 0;
  std::size_t last = 0;

  friend bool operator==(stage_span const&, stage_span const&) = default;
};

/// A partition's answer: spans in the order of the units, which together cover every unit once.
/// A device may carry several spans; a device may carry none.
using stages = std::vector<stage_span>;

/// `s.partition(units, group, load)` gives `result<stages>` and leaves the strategy as it was.
template <class S>
concept has_partition = requires(S const& s, std::span<unit const> units, device_group const& group, demand const& load) {
  { s.partition(units, group, load) } -> std::same_as<result<stages>>;
};

/// Optional: `S::head` says whether a tied head is shared with the embedding or copied; copied where it is silent.
template <class S>
concept has_tied_head = requires {
  { S::head } -> std::convertible_to<tied_head>;
};

/// Optional: `s.names_devices` says that the answer depends on which devices a group has, not only on what they are like, as that
/// of a map with names does. Without it groups that are alike are asked about once.
template <class S>
concept has_names_devices = requires(S const& s) {
  { s.names_devices } -> std::convertible_to<bool>;
};

/// How do a model's units spread over one device group? Checked against concrete types, so a plain member
/// function satisfies it and the erased form costs one virtual call.
template <class S>
concept partition_strategy = has_name<S> && has_partition<S> && std::copy_constructible<S>;

/// True, or a compile error that says what to write.
template <class S>
consteval bool check_partition_strategy() {
  static_assert(std::copy_constructible<S>,
                "a partition strategy must be copyable: the plan, the simulation and the run each keep one");
  static_assert(has_name<S>, "a partition strategy needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_partition<S>,
                "a partition strategy needs:  gpuplace::result<gpuplace::stages> partition(std::span<gpuplace::unit const>, "
                "gpuplace::device_group const&, gpuplace::demand const&) const;");
  return partition_strategy<S>;
}

/// The tied head that `s` plans with; a strategy may also say so per object.
template <partition_strategy S>
constexpr tied_head tied_head_of(S const& s) {
  if constexpr (has_tied_head<S>) return s.head;
  else return tied_head::copied;
}

/// Whether `s` must be asked about every group, though groups be alike.
template <partition_strategy S>
constexpr bool names_devices(S const& s) {
  if constexpr (has_names_devices<S>) return s.names_devices;
  else return false;
}

}  // namespace gpuplace
