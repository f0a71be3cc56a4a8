#pragma once
/// @file
/// Any allocation strategy behind one type, for choices that are made in a file or on a command line.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/plugin/detail/erased.hpp>
#include <gpuplace/plugin/detail/without_exceptions.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// Holds a copy of any allocation strategy and is one itself. Where the strategy is known when compiling, use it as it is.
/// Names are read as `s.name`, which is right for an object of this type and for a strategy with a static name.
/// Threads:    const calls are safe on shared objects if they are safe on the strategy's
/// Complexity: one virtual call for each proposal
class any_allocation {
public:
  std::string name;   ///< the strategy's own
  std::string label;  ///< the spec it was made from, such as `ratio(6:2)`; its name where it was made from an object

  template <class S>
    requires(!std::same_as<S, any_allocation> && allocation_strategy<S>)
  any_allocation(S strategy) : name(strategy.name), label(name), object_(std::make_unique<model<S>>(std::move(strategy))) {}

  /// What a plugin's strategy throws is an error here. The groups that it proposes are made anew by this program's code,
  /// so that they may live longer than the plugin.
  result<std::vector<candidate>> propose(workload const& work, device_group const& view) const {
    if (!object_.library()) return object_->propose(work, view);
    auto proposed = detail::without_exceptions("allocation " + label, [&] { return object_->propose(work, view); });
    if (proposed)
      for (auto& c : *proposed)
        for (auto& groups : c.models)
          for (auto& g : groups) g = g.slice(0, g.size());
    return proposed;
  }

  /// Keeps `library`, which holds the strategy's code, loaded for as long as this object or a copy of it lives.
  void keep_library(std::shared_ptr<void> library) { object_.keep(std::move(library)); }

private:
  struct interface {
    virtual ~interface() = default;
    virtual std::unique_ptr<interface> clone() const = 0;
    virtual result<std::vector<candidate>> propose(workload const& work, device_group const& view) const = 0;
  };
  template <class S>
  struct model final : interface {
    explicit model(S s) : strategy(std::move(s)) {}
    std::unique_ptr<interface> clone() const override { return std::make_unique<model>(strategy); }
    result<std::vector<candidate>> propose(workload const& work, device_group const& view) const override {
      return strategy.propose(work, view);
    }
    S strategy;
  };

  detail::erased_value<interface> object_;
};
static_assert(check_allocation_strategy<any_allocation>());

}  // namespace gpuplace
