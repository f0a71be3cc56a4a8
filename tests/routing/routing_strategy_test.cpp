#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/routing/least_loaded.hpp>
#include <gpuplace/routing/round_robin.hpp>
#include <gpuplace/testing/routing_archetype.hpp>
#include <gpuplace/testing/routing_contract.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

using namespace gpuplace;

namespace {
std::atomic<std::size_t> allocation_count{0};
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

struct nameless {
  decision route(routing_request const&, fleet_view const&) const { return decision::none(); }
};
struct not_const {
  static constexpr std::string_view name = "not_const";
  decision route(routing_request const&, fleet_view const&) { return decision::none(); }
};
struct gives_a_number {
  static constexpr std::string_view name = "gives_a_number";
  std::size_t route(routing_request const&, fleet_view const&) const { return 0; }
};
struct immovable {
  static constexpr std::string_view name = "immovable";
  immovable(immovable&&) = delete;
  decision route(routing_request const&, fleet_view const&) const { return decision::none(); }
};
static_assert(!routing_strategy<nameless> && !routing_strategy<not_const> && !routing_strategy<gives_a_number> &&
              !routing_strategy<immovable>);

struct always_first : not_const {
  decision route(routing_request const&, fleet_view const&) const { return decision::to(0); }
};
struct half_a_request : not_const {
  decision route(routing_request const&, fleet_view const& fleet) const {
    decision d(merge_rule::only);
    for (std::size_t i = 0; i < fleet.size() && !d; ++i)
      if (fleet[i].available) d.add({i, 0.5});
    return d;
  }
};
struct allocates : not_const {
  decision route(routing_request const&, fleet_view const& fleet) const {
    std::vector<std::size_t> free;
    for (std::size_t i = 0; i < fleet.size(); ++i)
      if (fleet[i].available) free.push_back(i);
    return free.empty() ? decision::none() : decision::to(free.front());
  }
};

template <class Make>
void climbs(Make make) {
  auto const sound = gpuplace::testing::check_routing(make);
  EXPECT_TRUE(sound) << sound.error();
  auto const lean = gpuplace::testing::check_routes_without_allocation(make, [] { return allocation_count.load(); });
  EXPECT_TRUE(lean) << lean.error();
}

}  // namespace

TEST(routing_contract, holds_for_every_router) {
  climbs([] { return contiguous_shards{}; });
  climbs([] { return round_robin{}; });
  climbs([] { return least_loaded{}; });
  climbs([] { return gpuplace::testing::archetype_routing::make(); });
}

TEST(routing_contract, names_what_is_broken) {
  EXPECT_NE(gpuplace::testing::check_routing([] { return always_first{}; }).error().what.find("although none takes requests"),
            std::string::npos);
  EXPECT_NE(gpuplace::testing::check_routing([] { return half_a_request{}; }).error().what.find("0.5"), std::string::npos);
  EXPECT_TRUE(gpuplace::testing::check_routing([] { return allocates{}; }));
  EXPECT_TRUE(gpuplace::testing::check_routes_without_allocation([] { return allocates{}; }, [] { return allocation_count.load(); })
                  .has_error());
}
