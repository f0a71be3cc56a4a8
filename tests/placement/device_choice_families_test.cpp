#include <gpuplace/placement/device_choice.hpp>

#include <gpuplace/testing/topology_families.hpp>
#include <gpuplace/topology/group.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace gpuplace;
namespace t = gpuplace::testing;

namespace {

using positions = std::vector<std::size_t>;

struct worth {
  std::int64_t worst = std::numeric_limits<std::int64_t>::max(), total = 0;
  friend auto operator<=>(worth const&, worth const&) = default;
};

worth worth_of(device_group const& view, std::vector<positions> const& groups) {
  worth w;
  for (auto const& g : groups)
    for (std::size_t i = 0; i < g.size(); ++i)
      for (std::size_t j = i + 1; j < g.size(); ++j) {
        auto const width = std::llround(view.path(g[i], g[j]).bandwidth.value() * 1e3);
        w.worst = std::min<std::int64_t>(w.worst, width);
        w.total += width;
      }
  return w;
}

// The best of all sets of `size`, and of all pairs of disjoint sets of that size.
struct exhaustive {
  worth one{-1, 0}, two{-1, 0};
  exhaustive(device_group const& view, std::size_t size) {
    auto const sets = std::size_t{1} << view.size();
    std::vector<std::pair<std::size_t, positions>> all;
    for (std::size_t set = 0; set < sets; ++set) {
      positions members;
      for (std::size_t d = 0; d < view.size(); ++d)
        if (set >> d & 1) members.push_back(d);
      if (members.size() == size) all.emplace_back(set, std::move(members));
    }
    for (auto const& [a, first] : all) {
      one = std::max(one, worth_of(view, {first}));
      for (auto const& [b, second] : all)
        if ((a & b) == 0) two = std::max(two, worth_of(view, {first, second}));
    }
  }
};

}  // namespace

TEST(device_choice, is_exact_on_every_family_of_machines) {
  std::vector<topology::graph> machines;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    machines.push_back(t::broken_mesh(8, seed, seed));
    machines.push_back(t::mixed_cards(7, seed));
  }
  machines.push_back(t::nvswitch_islands(2, 4));
  machines.push_back(t::nvswitch_islands(3, 2));
  machines.push_back(t::fat_tree({.hosts = 4, .devices_per_host = 2, .network = {.hosts_per_leaf = 2, .oversubscription = 2}}));
  for (auto& machine : machines) {
    auto const name = machine.source;
    auto const view = topology::all_devices(std::move(machine));
    for (std::size_t size = 1; 2 * size <= view.size(); ++size) {
      exhaustive const best(view, size);
      auto const one = best_group(view, size).value();
      EXPECT_TRUE(one.exact) << name;
      EXPECT_EQ(worth_of(view, {one.devices}), best.one) << name << ' ' << size;
      auto const two = best_groups(view, {size, size}).value();
      EXPECT_TRUE(two.exact) << name;
      EXPECT_EQ(worth_of(view, two.groups), best.two) << name << ' ' << size;
    }
  }
}

TEST(device_choice, of_sixty_four_devices_in_a_fat_tree_is_exact) {
  auto const view = topology::all_devices(t::fat_tree({.hosts = 8, .network = {.hosts_per_leaf = 4, .oversubscription = 2}}));
  ASSERT_EQ(view.size(), 64U);
  for (std::size_t const size : {2U, 4U, 8U, 16U, 24U, 32U}) {
    auto const one = best_group(view, size, {.excluded = {0, 9}}).value();
    EXPECT_TRUE(one.exact);
    auto const all = best_groups(view, std::vector<std::size_t>(64 / size, size)).value();
    EXPECT_TRUE(all.exact) << size;
    for (auto const& g : all.groups)
      if (size <= 8) {
        EXPECT_EQ(view[g.front()].id.host, view[g.back()].id.host);
      }
  }
  auto const leaf = best_group(view, 16, {.excluded = {0}}).value();
  for (auto const d : leaf.devices) EXPECT_EQ(d / 32, leaf.devices.front() / 32) << "two hosts under one leaf";
}

TEST(device_choice, of_a_mixed_fleet_splits_no_host_without_need) {
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    auto const view = topology::all_devices(t::mixed_fleet(40, seed));
    std::size_t room = 0, here = 0;
    for (std::size_t d = 0; d < view.size(); ++d) {
      here = d > 0 && view[d].id.host == view[d - 1].id.host ? here + 1 : 1;
      if (here % 2 == 0) ++room;
    }
    auto const pairs = best_groups(view, std::vector<std::size_t>(room, 2)).value();
    std::vector<bool> used(view.size());
    for (auto const& g : pairs.groups) {
      EXPECT_EQ(view[g[0]].id.host, view[g[1]].id.host);
      for (auto const d : g) {
        EXPECT_FALSE(used[d]);
        used[d] = true;
      }
    }
    auto widest = gigabytes_per_second{};
    for (std::size_t d = 0; d + 1 < view.size(); ++d)
      for (auto e = d + 1; e < view.size() && view[e].id.host == view[d].id.host; ++e)
        widest = std::max(widest, view.path(d, e).bandwidth);
    EXPECT_EQ(best_group(view, 2).value().links.worst, widest);
  }
}
