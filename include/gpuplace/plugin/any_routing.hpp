#pragma once
/// @file
/// Any router behind one type, for choices that are made in a file or on a command line.

#include <gpuplace/plugin/detail/erased.hpp>
#include <gpuplace/routing/routing_strategy.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace gpuplace {

/// Owns any router and is one itself; movable, as routers are. Both optional parts are there and do nothing for a router
/// without them. Where the router is known when compiling, use it as it is.
/// Names are read as `s.name`, which is right for an object of this type and for a router with a static name.
/// Threads:    as the router: route and observe from any thread, begin before the batch it counts
/// Complexity: one virtual call for each operation, without allocation
class any_routing {
public:
  std::string name;   ///< the router's own
  std::string label;  ///< the spec it was made from; its name where it was made from an object
  bool wants_count;   ///< whether `begin` tells it anything

  template <class S>
    requires(!std::same_as<S, any_routing> && routing_strategy<S>)
  any_routing(S strategy)
      : name(strategy.name),
        label(name),
        wants_count(gpuplace::wants_count(strategy)),
        object_(std::make_unique<model<S>>(std::move(strategy))) {}

  decision route(routing_request const& request, fleet_view const& fleet) const { return object_->route(request, fleet); }
  void begin(std::size_t count) { object_->begin(count); }
  void observe(outcome const& o) const { object_->observe(o); }

  /// Keeps `library`, which holds the router's code, loaded for as long as this object lives.
  void keep_library(std::shared_ptr<void> library) { object_.keep(std::move(library)); }

private:
  struct interface {
    virtual ~interface() = default;
    virtual decision route(routing_request const& request, fleet_view const& fleet) const = 0;
    virtual void begin(std::size_t count) = 0;
    virtual void observe(outcome const& o) const = 0;
  };
  template <class S>
  struct model final : interface {
    explicit model(S s) : strategy(std::move(s)) {}
    decision route(routing_request const& request, fleet_view const& fleet) const override {
      return strategy.route(request, fleet);
    }
    void begin([[maybe_unused]] std::size_t count) override {
      if constexpr (has_begin<S>) strategy.begin(count);
    }
    void observe([[maybe_unused]] outcome const& o) const override {
      if constexpr (has_observe<S>) strategy.observe(o);
    }
    S strategy;
  };

  detail::erased_unique<interface> object_;
};
static_assert(check_routing_strategy<any_routing>() && has_begin<any_routing> && has_observe<any_routing>);

}  // namespace gpuplace
