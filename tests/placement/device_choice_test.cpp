#include <gpuplace/placement/device_choice.hpp>

#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/visible.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

using positions = std::vector<std::size_t>;

device_group view_of(topology::graph g) { return topology::all_devices(std::move(g)); }
device_group preset(std::string_view name) { return view_of(topology::preset(name).value()); }

// Devices between which bandwidths are as `width(i, j)` says.
device_group linked(std::size_t count, std::function<double(std::size_t, std::size_t)> width) {
  device model;
  model.name = "test GPU";
  model.capacity = 80_GiB;
  std::vector<device> devices(count, model);
  for (std::size_t i = 0; i < count; ++i) devices[i].id.index = static_cast<int>(i);
  return {std::move(devices), [width = std::move(width)](std::size_t i, std::size_t j) {
            return path{.kind = path_kind::nvlink,
                        .nvlinks = 1,
                        .bandwidth = gigabytes_per_second{width(std::min(i, j), std::max(i, j))},
                        .latency = microseconds{10}};
          }};
}

device_group random_links(std::size_t count, std::uint32_t seed, std::uint32_t levels) {
  std::mt19937 random(seed);
  std::vector<double> widths(count * count);
  for (auto& w : widths) w = 10.0 * static_cast<double>(1 + random() % levels);
  return linked(count, [widths, count](std::size_t i, std::size_t j) { return widths[i * count + j]; });
}

// Worst and total as exact numbers, over several groups.
struct worth {
  std::int64_t worst = std::numeric_limits<std::int64_t>::max(), total = 0;
  friend auto operator<=>(worth const&, worth const&) = default;
};
void add(worth& w, device_group const& view, positions const& group) {
  for (std::size_t i = 0; i < group.size(); ++i)
    for (std::size_t j = i + 1; j < group.size(); ++j) {
      auto const width = std::llround(view.path(group[i], group[j]).bandwidth.value() * 1e3);
      w.worst = std::min<std::int64_t>(w.worst, width);
      w.total += width;
    }
}
worth worth_of(device_group const& view, std::vector<positions> const& groups) {
  worth w;
  for (auto const& g : groups) add(w, view, g);
  return w;
}

// The best of all ways to fill groups of `sizes` from `left`.
void every_way(device_group const& view, std::vector<std::size_t> const& sizes, positions const& left,
               std::vector<positions>& groups, worth& best, positions const& required) {
  if (groups.size() == sizes.size()) {
    for (auto const r : required)
      if (std::ranges::find(groups.front(), r) == groups.front().end()) return;
    best = std::max(best, worth_of(view, groups));
    return;
  }
  auto const size = sizes[groups.size()];
  std::vector<bool> taken(left.size());
  std::fill(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(size), true);
  do {
    positions group, rest;
    for (std::size_t i = 0; i < left.size(); ++i) (taken[i] ? group : rest).push_back(left[i]);
    groups.push_back(group);
    every_way(view, sizes, rest, groups, best, required);
    groups.pop_back();
  } while (std::prev_permutation(taken.begin(), taken.end()));
}
worth exhaustive(device_group const& view, std::vector<std::size_t> const& sizes, choice_rules const& rules = {}) {
  positions left;
  for (std::size_t d = 0; d < view.size(); ++d)
    if (std::ranges::find(rules.excluded, d) == rules.excluded.end()) left.push_back(d);
  std::vector<positions> groups;
  worth best{-1, 0};
  every_way(view, sizes, left, groups, best, rules.required);
  return best;
}

void expect_valid(device_group const& view, std::vector<positions> const& groups, std::vector<std::size_t> const& sizes) {
  std::vector<bool> used(view.size());
  ASSERT_EQ(groups.size(), sizes.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_EQ(groups[g].size(), sizes[g]);
    EXPECT_TRUE(std::ranges::is_sorted(groups[g]));
    for (auto const d : groups[g]) {
      ASSERT_LT(d, view.size());
      EXPECT_FALSE(used[d]);
      used[d] = true;
    }
  }
}

positions choose(device_group const& view, std::size_t size, choice_rules const& rules = {}) {
  return best_group(view, size, rules).value().devices;
}

}  // namespace

TEST(best_group, is_as_good_as_any_of_all_groups) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    auto const count = 2 + random() % 9;
    auto const view = random_links(count, seed, 2 + seed % 6);
    choice_rules rules;
    for (std::size_t d = 0; d < count; ++d)
      if (random() % 6 == 0) rules.excluded.push_back(d);
    auto const free = count - rules.excluded.size();
    if (free == 0) continue;
    auto const size = 1 + random() % free;
    for (std::size_t d = 0; d < count && rules.required.size() < size; ++d)
      if (random() % 5 == 0 && std::ranges::find(rules.excluded, d) == rules.excluded.end()) rules.required.push_back(d);
    auto const found = best_group(view, size, rules).value();
    EXPECT_TRUE(found.exact);
    expect_valid(view, {found.devices}, {size});
    for (auto const d : rules.excluded) EXPECT_EQ(std::ranges::count(found.devices, d), 0);
    for (auto const d : rules.required) EXPECT_EQ(std::ranges::count(found.devices, d), 1);
    EXPECT_EQ(worth_of(view, {found.devices}), exhaustive(view, {size}, rules)) << seed;
  }
}

TEST(best_group, is_as_good_as_any_on_generated_machines) {
  std::vector<device_group> machines{view_of(t::pcie_tree(2, 4)),
                                     view_of(t::pcie_tree(3, 3)),
                                     view_of(t::nvlink_island(6)),
                                     view_of(t::joined_hosts(3, 3)),
                                     preset("dgx1-v100"),
                                     preset("8xrtx3060"),
                                     preset("5xl40s")};
  for (std::uint32_t seed = 0; seed < 40; ++seed) machines.push_back(view_of(t::random_graph(seed)));
  for (auto const& view : machines)
    for (std::size_t size = 1; size <= view.size(); ++size) {
      auto const found = best_group(view, size).value();
      EXPECT_TRUE(found.exact);
      EXPECT_EQ(worth_of(view, {found.devices}), exhaustive(view, {size}));
    }
}

TEST(best_group, takes_a_machine_that_is_linked_alike_in_its_order) {
  for (auto const* name : {"dgx-h100", "4xa100", "16xa100", "8xmi300x"})
    for (auto const size : {1U, 2U, 3U, 4U}) {
      positions first(size);
      std::iota(first.begin(), first.end(), std::size_t{0});
      EXPECT_EQ(choose(preset(name), size), first) << name;
    }
}

TEST(best_group, of_equal_groups_takes_the_one_that_leaves_most) {
  auto const dgx1 = preset("dgx1-v100");
  EXPECT_EQ(choose(dgx1, 2), (positions{0, 3})) << "0 and 4 are linked as well, but hold the two boards together";
  EXPECT_EQ(choose(dgx1, 2, {.excluded = {0, 3}}), (positions{1, 2}));
  EXPECT_LT(choose(dgx1, 1, {.excluded = {0}}).front(), 4U) << "the board that is broken already";
  // Two bonded pairs and two single cards: one device is a single card.
  auto const pairs = linked(6, [](std::size_t i, std::size_t j) { return i / 2 == j / 2 && i < 4 ? 100.0 : 20.0; });
  EXPECT_EQ(choose(pairs, 1), (positions{4}));
  EXPECT_EQ(choose(pairs, 3), (positions{0, 1, 4}));
  EXPECT_EQ(choose(pairs, 2), (positions{0, 1}));
  // Of two hosts the one that is nearly full.
  auto const hosts = view_of(t::joined_hosts(2, 4));
  EXPECT_EQ(choose(hosts, 2, {.excluded = {4, 5}}), (positions{6, 7}));
  EXPECT_EQ(choose(hosts, 4, {.excluded = {5}}), (positions{0, 1, 2, 3}));
  auto const left = best_left(dgx1, {0, 3}).value();
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].links.worst.value(), 40);
  EXPECT_EQ(left[1].devices, (positions{4, 5, 6, 7}));
}

TEST(best_group, refuses_in_words_what_cannot_be) {
  auto const view = preset("dgx-h100");
  EXPECT_EQ(best_group(view, 9).error().code, errc::does_not_fit);
  EXPECT_EQ(best_group(view, 8, {.excluded = {3}}).error().code, errc::does_not_fit);
  for (auto const& rules : {choice_rules{.required = {8}}, choice_rules{.required = {1}, .excluded = {1}},
                            choice_rules{.required = {1, 1}}, choice_rules{.required = {0, 1, 2}}, choice_rules{.excluded = {99}}})
    EXPECT_EQ(best_group(view, 2, rules).error().code, errc::invalid_argument);
  EXPECT_EQ(best_group(view, 0).error().code, errc::invalid_argument);
  EXPECT_EQ(best_groups(view, {4, 0}).error().code, errc::invalid_argument);
  EXPECT_EQ(best_groups(view, {4, 5}).error().code, errc::does_not_fit);
  EXPECT_EQ(best_group({}, 1).error().code, errc::does_not_fit);
}

TEST(best_groups, are_as_good_as_any_groups) {
  std::vector<std::vector<std::size_t>> const wanted{{2, 2},    {4, 4}, {6, 2},    {2, 2, 2, 2}, {3, 3},
                                                     {1, 3, 2}, {5},    {1, 1, 1}, {2, 3}};
  std::vector<device_group> machines{view_of(t::pcie_tree(2, 4)), view_of(t::joined_hosts(2, 4)), preset("dgx1-v100"),
                                     preset("8xrtx3060")};
  for (std::uint32_t seed = 0; seed < 25; ++seed) machines.push_back(random_links(8, seed, 2 + seed % 5));
  for (auto const& view : machines)
    for (auto const& sizes : wanted) {
      auto const found = best_groups(view, sizes).value();
      EXPECT_TRUE(found.exact);
      expect_valid(view, found.groups, sizes);
      EXPECT_EQ(worth_of(view, found.groups), exhaustive(view, sizes)) << sizes.size() << ' ' << sizes[0];
    }
}

TEST(best_groups, are_the_views_slices_where_links_are_alike) {
  EXPECT_EQ(best_groups(preset("dgx-h100"), {6, 2}).value().groups, (std::vector<positions>{{0, 1, 2, 3, 4, 5}, {6, 7}}));
  EXPECT_EQ(best_groups(preset("dgx-h100"), {2, 6}).value().groups, (std::vector<positions>{{0, 1}, {2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(best_groups(preset("dgx-h100"), {3, 3}).value().groups, (std::vector<positions>{{0, 1, 2}, {3, 4, 5}}));
  EXPECT_EQ(best_groups(preset("dgx1-v100"), {2, 2, 2, 2}).value().groups,
            (std::vector<positions>{{0, 3}, {1, 2}, {4, 7}, {5, 6}}));
  auto const hosts = view_of(t::joined_hosts(20, 8));
  auto const found = best_groups(hosts, std::vector<std::size_t>(20, 8)).value();
  for (std::size_t h = 0; h < 20; ++h) {
    EXPECT_EQ(found.groups[h].front(), 8 * h);
    EXPECT_EQ(found.groups[h].back(), 8 * h + 7);
  }
}

TEST(best_groups, of_sixteen_devices_are_exact) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    auto const view = random_links(16, seed, 3 + seed % 4);
    for (auto const& sizes : {std::vector<std::size_t>{8, 8}, {4, 4, 4, 4}, {12, 4}, {6, 2}, {2, 2, 2, 2, 2, 2, 2, 2}}) {
      auto const found = best_groups(view, sizes).value();
      expect_valid(view, found.groups, sizes);
      EXPECT_TRUE(found.exact) << seed << ' ' << sizes.size();
    }
  }
}

TEST(best_groups, of_many_hosts_stay_inside_them) {
  auto const view = view_of(t::joined_hosts(30, 8));
  std::vector<std::size_t> taken{0, 9, 10, 11, 12, 13, 14};  // seven free on the first host, two on the second
  auto const pair = best_groups(view, {2}, taken).value();
  EXPECT_EQ(pair.groups[0], (positions{8, 15})) << "the host that is nearest to being full";
  auto const fours = best_groups(view, std::vector<std::size_t>(57, 4), taken).value();
  expect_valid(view, fours.groups, std::vector<std::size_t>(57, 4));
  for (auto const& g : fours.groups) EXPECT_EQ(g.front() / 8, g.back() / 8);
  auto const sixteen = best_group(view, 16).value();
  EXPECT_EQ(sixteen.devices.back(), 15U) << "whole hosts, in order";
  auto const with = best_group(view, 4, {.required = {100, 101}}).value();
  EXPECT_EQ(with.devices, (positions{96, 97, 100, 101}));
  EXPECT_EQ(best_group(view, 9, {.required = {100}}).value().devices.size(), 9U);
}

// What go-gpuallocator's own tests ask of its best-effort policy, against what it answers there: never a worse pair or sum.
TEST(best_group, is_at_least_as_good_as_the_best_effort_policy_on_published_cases) {
  struct published {
    char const* machine;
    positions available, required;
    std::size_t size;
    positions answer;
  };
  positions const all{0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<published> const cases{{"dgx1-v100", {0, 2, 4, 5}, {}, 2, {4, 5}},
                                     {"dgx1-v100", {0, 4, 5, 6}, {}, 2, {5, 6}},
                                     {"dgx1-v100", {0, 1, 3}, {}, 2, {0, 3}},
                                     {"dgx1-v100", {0, 1, 4}, {}, 2, {0, 4}},
                                     {"dgx1-v100", all, {4}, 1, {4}},
                                     {"dgx1-v100", all, {4}, 2, {4, 7}},
                                     {"dgx1-v100", all, {4}, 4, {4, 5, 6, 7}},
                                     {"dgx1-v100", all, {0, 2, 4, 6}, 4, {0, 2, 4, 6}},
                                     {"dgx1-v100", all, {}, 8, all},
                                     {"dgx1-v100", all, {}, 4, {0, 1, 2, 3}},
                                     {"dgx1-v100", {4, 5, 6, 7}, {}, 4, {4, 5, 6, 7}}};
  for (auto const& c : cases) {
    auto const view = preset(c.machine);
    choice_rules rules{.required = c.required};
    for (std::size_t d = 0; d < view.size(); ++d)
      if (std::ranges::find(c.available, d) == c.available.end()) rules.excluded.push_back(d);
    auto const found = choose(view, c.size, rules);
    EXPECT_GE(worth_of(view, {found}), worth_of(view, {c.answer})) << c.size;
  }
  // One tenant after another, each taking two: the same four pairs.
  positions taken;
  for (auto const& pair : {positions{0, 3}, positions{1, 2}, positions{4, 7}, positions{5, 6}}) {
    auto const found = choose(preset("dgx1-v100"), 2, {.excluded = taken});
    EXPECT_EQ(found, pair);
    taken.insert(taken.end(), found.begin(), found.end());
  }
  // Four cards in two bonded pairs, across: 0-3 and 1-2.
  auto const bonded = linked(4, [](std::size_t i, std::size_t j) { return i + j == 3 ? 50.0 : (i < 2) == (j < 2) ? 12.0 : 10.0; });
  EXPECT_EQ(choose(bonded, 2), (positions{0, 3}));
  EXPECT_EQ(choose(bonded, 2, {.excluded = {0, 3}}), (positions{1, 2}));
  // Fourteen cards in pairs of which the last is the widest; a DGX-2 is alike everywhere.
  auto const fourteen = linked(14, [](std::size_t i, std::size_t j) { return i / 2 != j / 2 ? 0.0 : i == 12 ? 80.0 : 40.0; });
  EXPECT_EQ(choose(fourteen, 2), (positions{12, 13}));
  EXPECT_EQ(choose(preset("dgx2-v100"), 2), (positions{0, 1}));
}
