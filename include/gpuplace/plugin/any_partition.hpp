#pragma once
/// @file
/// Any partition strategy behind one type, for choices that are made in a file or on a command line.

#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/plugin/detail/erased.hpp>
#include <gpuplace/plugin/detail/without_exceptions.hpp>

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace gpuplace {

/// Holds a copy of any partition strategy and is one itself. Where the strategy is known when compiling, use it as it is.
/// Names are read as `s.name`, which is right for an object of this type and for a strategy with a static name.
/// Threads:    const calls are safe on shared objects if they are safe on the strategy's
/// Complexity: one virtual call for each partition
class any_partition {
public:
  std::string name;    ///< the strategy's own
  std::string label;   ///< the spec it was made from, such as `optimal(latency)`; its name where it was made from an object
  tied_head head;      ///< where the strategy wants a tied head
  bool names_devices;  ///< its answer depends on the names of a group's devices

  template <class S>
    requires(!std::same_as<S, any_partition> && partition_strategy<S>)
  any_partition(S strategy)
      : name(strategy.name),
        label(name),
        head(tied_head_of(strategy)),
        names_devices(gpuplace::names_devices(strategy)),
        object_(std::make_unique<model<S>>(std::move(strategy))) {}

  /// What a plugin's strategy throws is an error here.
  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    if (!object_.library()) return object_->partition(units, group, load);
    return detail::without_exceptions("partition " + label, [&] { return object_->partition(units, group, load); });
  }

  /// Keeps `library`, which holds the strategy's code, loaded for as long as this object or a copy of it lives.
  void keep_library(std::shared_ptr<void> library) { object_.keep(std::move(library)); }

private:
  struct interface {
    virtual ~interface() = default;
    virtual std::unique_ptr<interface> clone() const = 0;
    virtual result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const = 0;
  };
  template <class S>
  struct model final : interface {
    explicit model(S s) : strategy(std::move(s)) {}
    std::unique_ptr<interface> clone() const override { return std::make_unique<model>(strategy); }
    result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const override {
      return strategy.partition(units, group, load);
    }
    S strategy;
  };

  detail::erased_value<interface> object_;
};
static_assert(check_partition_strategy<any_partition>() && has_tied_head<any_partition>);

}  // namespace gpuplace
