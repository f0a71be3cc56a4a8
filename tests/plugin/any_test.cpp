#include <gpuplace/placement/allocation/ratio.hpp>
#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/plugin/any_allocation.hpp>
#include <gpuplace/plugin/any_partition.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/testing/placement_archetypes.hpp>
#include <gpuplace/testing/routing_archetype.hpp>
#include <gpuplace/testing/routing_contract.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

using namespace gpuplace;
using namespace gpuplace::literals;

namespace {

std::vector<unit> layers(std::size_t count) {
  std::vector<unit> units(count);
  for (std::size_t i = 0; i < count; ++i) units[i].name = "model.layers." + std::to_string(i);
  return units;
}

/// Settings of an object's own, and a tied head that differs from object to object.
struct first_n {
  static constexpr std::string_view name = "first_n";
  std::size_t n = 0;
  tied_head head = tied_head::copied;
  result<stages> partition(std::span<unit const> units, device_group const&, demand const&) const {
    return stages{{.device = n, .first = 0, .last = units.size()}};
  }
};

struct learns {
  static constexpr std::string_view name = "learns";
  std::shared_ptr<std::size_t> begun = std::make_shared<std::size_t>(0);
  std::shared_ptr<std::size_t> observed = std::make_shared<std::size_t>(0);
  decision route(routing_request const&, fleet_view const&) const { return decision::to(*observed); }
  void begin(std::size_t count) { *begun = count; }
  void observe(outcome const& o) const { *observed = o.instance; }
};

/// Stands for a plugin's library: says when it is unloaded, and whether its objects were gone by then.
struct library {
  std::shared_ptr<int> objects = std::make_shared<int>(0);
  std::shared_ptr<bool> unloaded_too_early = std::make_shared<bool>(false);
  std::shared_ptr<void> open() const {
    return {new int, [objects = objects, early = unloaded_too_early](void* p) {
              if (*objects != 0) *early = true;
              delete static_cast<int*>(p);
            }};
  }
};
struct from_library : first_n {
  explicit from_library(std::shared_ptr<int> counter) : objects(std::move(counter)) { ++*objects; }
  from_library(from_library const& other) : first_n(other), objects(other.objects) { ++*objects; }
  ~from_library() { --*objects; }
  std::shared_ptr<int> objects;
};

}  // namespace

TEST(any_partition, does_what_its_strategy_does) {
  auto const units = layers(24);
  auto const group = uniform_group(6, 80_GiB, {});
  any_partition const erased = even{};
  EXPECT_EQ(erased.name, "even");
  EXPECT_EQ(erased.label, "even");
  EXPECT_EQ(erased.partition(units, group, {}).value(), even{}.partition(units, group, {}).value());
  EXPECT_TRUE(erased.partition(layers(2), group, {}).has_error());
}

TEST(any_partition, forwards_the_tied_head_of_the_object) {
  EXPECT_EQ(tied_head_of(any_partition(even{})), tied_head::copied);
  EXPECT_EQ(tied_head_of(any_partition(first_n{.n = 0, .head = tied_head::shared})), tied_head::shared);
}

TEST(any_partition, is_a_value) {
  static_assert(std::is_copy_constructible_v<any_partition> && std::is_nothrow_move_constructible_v<any_partition>);
  static_assert(!std::is_default_constructible_v<any_partition>);
  auto const units = layers(3);
  any_partition a = first_n{.n = 1};
  any_partition b = a;
  a = any_partition(first_n{.n = 2});
  EXPECT_EQ(b.partition(units, {}, {}).value()[0].device, 1U);
  EXPECT_EQ(a.partition(units, {}, {}).value()[0].device, 2U);
  b = a;
  auto const& self = b;
  b = self;
  EXPECT_EQ(b.partition(units, {}, {}).value()[0].device, 2U);
  any_partition const of_an_archetype = gpuplace::testing::archetype_partition::make();
  EXPECT_EQ(of_an_archetype.name, "archetype");
}

TEST(any_partition, keeps_its_library_loaded_longer_than_any_copy_of_the_object) {
  library plugin;
  {
    any_partition a = from_library(plugin.objects);
    a.keep_library(plugin.open());
    any_partition b = a;
    a = any_partition(even{});
    a = std::move(b);
    any_partition c = a;
    c.keep_library(plugin.open());
    a = c;
    c = any_partition(even{});
    EXPECT_EQ(*plugin.objects, 1);
  }
  EXPECT_EQ(*plugin.objects, 0);
  EXPECT_FALSE(*plugin.unloaded_too_early);
}

TEST(any_allocation, does_what_its_strategy_does) {
  workload work;
  work.models.resize(2);
  auto const view = uniform_group(8, 80_GiB, {});
  any_allocation const erased = ratio{6, 2};
  auto const copy = erased;
  EXPECT_EQ(copy.name, "ratio");
  auto const proposed = copy.propose(work, view).value();
  ASSERT_EQ(proposed.size(), 1U);
  EXPECT_EQ(proposed[0].label, "ratio(6:2)");
  EXPECT_EQ(proposed[0].models[0][0].size(), 6U);
  EXPECT_EQ(proposed[0].models[1][0].size(), 2U);
  EXPECT_TRUE(copy.propose(work, uniform_group(4, 80_GiB, {})).has_error());
  any_allocation const of_an_archetype = gpuplace::testing::archetype_allocation::make();
  EXPECT_EQ(of_an_archetype.name, "archetype");
}

TEST(any_routing, climbs_the_contract_of_routers) {
  static_assert(std::is_move_constructible_v<any_routing> && !std::is_copy_constructible_v<any_routing>);
  auto const shards = gpuplace::testing::check_routing([] { return any_routing(contiguous_shards{}); });
  EXPECT_TRUE(shards) << shards.error();
  auto const least = gpuplace::testing::check_routing([] { return any_routing(gpuplace::testing::archetype_routing::make()); });
  EXPECT_TRUE(least) << least.error();
}

TEST(any_routing, forwards_the_optional_parts) {
  learns router;
  any_routing erased = router;
  erased.begin(40);
  EXPECT_EQ(*router.begun, 40U);
  erased.observe({.instance = 3});
  EXPECT_EQ(erased.route({}, fleet_view({})).instance(), 3U);
  any_routing silent = gpuplace::testing::archetype_routing::make();
  silent.begin(3);
  silent.observe({});
  silent = std::move(erased);
  EXPECT_EQ(silent.name, "learns");
}
