#include <gpuplace/placement/allocation/lora_groups.hpp>

#include <gpuplace/placement/allocation/read_lora_groups.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/plan/json.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

workload work() { return t::one(t::small_model(8)); }

plan placed(lora_groups const& asked, std::size_t devices, bytes memory = 24_GiB) {
  return place(t::gpus(devices, memory), work(), asked, auto_partition{}).value();
}
error refusal(lora_groups const& asked, std::size_t devices = 8) { return asked.propose(work(), t::gpus(devices, 24_GiB)).error(); }

// The least load of the busiest instance over all assignments of the copies; infinite where there is none.
double exhaustive(std::vector<detail::adapter_load> const& adapters, std::vector<std::size_t> const& copies, std::size_t instances,
                  std::size_t slots) {
  std::vector<double> load(instances);
  std::vector<std::size_t> used(instances);
  double best = std::numeric_limits<double>::infinity();
  std::function<void(std::size_t)> const place_adapter = [&](std::size_t a) {
    if (a == adapters.size()) {
      best = std::min(best, *std::ranges::max_element(load));
      return;
    }
    for (std::size_t set = 0; set < std::size_t{1} << instances; ++set) {
      if (static_cast<std::size_t>(std::popcount(set)) != copies[a]) continue;
      bool fits = true;
      for (std::size_t i = 0; i < instances; ++i)
        if (set >> i & 1) fits = fits && used[i] < slots && std::ranges::binary_search(adapters[a].allowed, i);
      if (!fits) continue;
      auto const part = adapters[a].load / static_cast<double>(copies[a]);
      for (std::size_t i = 0; i < instances; ++i)
        if (set >> i & 1) load[i] += part, ++used[i];
      place_adapter(a + 1);
      for (std::size_t i = 0; i < instances; ++i)
        if (set >> i & 1) load[i] -= part, --used[i];
    }
  };
  place_adapter(0);
  return best;
}

}  // namespace

TEST(adapter_search, is_as_good_as_any_assignment) {
  int solved = 0, refused = 0;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    auto const instances = 1 + random() % 4;
    auto const slots = 1 + random() % 4;
    std::vector<detail::adapter_load> adapters(1 + random() % 6);
    for (auto& a : adapters) {
      a.load = static_cast<double>(1 + random() % 12);
      for (std::size_t i = 0; i < instances; ++i)
        if (random() % 4 != 0) a.allowed.push_back(i);
      if (a.allowed.empty()) a.allowed.push_back(random() % instances);
      a.copies = random() % 3 == 0 ? 0 : 1 + random() % a.allowed.size();
    }
    auto const found = detail::adapter_search(adapters, instances, slots).solve();
    std::vector<std::size_t> given;
    for (auto const& a : adapters) given.push_back(std::max<std::size_t>(1, a.copies));
    auto const best = exhaustive(adapters, found ? found->copies : given, instances, slots);
    if (!found) {
      EXPECT_TRUE(std::isinf(best)) << seed;
      ++refused;
      continue;
    }
    ++solved;
    EXPECT_TRUE(found->exact);
    EXPECT_NEAR(found->worst, best, 1e-9) << seed;
    EXPECT_NEAR(found->least, best, 1e-9) << seed;
    for (std::size_t i = 0; i < instances; ++i) EXPECT_LE(found->held[i].size(), slots);
    for (std::size_t a = 0; a < adapters.size(); ++a) {
      std::size_t copies = 0;
      for (std::size_t i = 0; i < instances; ++i) {
        auto const here = std::ranges::count(found->held[i], a);
        EXPECT_LE(here, std::ranges::count(adapters[a].allowed, i));
        copies += static_cast<std::size_t>(here);
      }
      EXPECT_EQ(copies, found->copies[a]);
    }
  }
  EXPECT_GT(solved, 200);
  EXPECT_GT(refused, 10);
}

TEST(adapter_search, of_many_adapters_says_how_far_off_it_may_be) {
  std::mt19937 random(1);
  std::vector<detail::adapter_load> adapters(200);
  for (auto& a : adapters) {
    a.load = static_cast<double>(1 + random() % 1000);
    for (std::size_t i = 0; i < 16; ++i) a.allowed.push_back(i);
  }
  auto const found = detail::adapter_search(adapters, 16, 20).solve().value();
  EXPECT_GE(found.worst, found.least);
  EXPECT_LE(found.worst, found.least * 4 / 3);
}

TEST(adapter_search, copies_what_is_too_hot_for_one_instance) {
  std::vector<detail::adapter_load> const adapters{{6, 0, {0, 1, 2, 3}}, {1, 0, {0, 1, 2, 3}}, {1, 0, {0, 1, 2, 3}}};
  auto const found = detail::adapter_search(adapters, 4, 2).solve().value();
  EXPECT_EQ(found.copies, (std::vector<std::size_t>{3, 1, 1}));
  EXPECT_DOUBLE_EQ(found.worst, 2);
}

TEST(lora_groups, puts_named_groups_on_their_instances) {
  lora_groups asked{.groups = {{"A", {0, 1, 2, 3}}, {"B", {4, 5, 6, 7}}}, .slots = 2};
  for (int i = 1; i <= 8; ++i) asked.adapters.push_back({.name = "adapter" + std::to_string(i), .group = i <= 4 ? "A" : "B"});
  auto const p = placed(asked, 8);
  ASSERT_EQ(p.models[0].replicas.size(), 8U);
  for (std::size_t r = 0; r < 8; ++r) {
    auto const& replica = p.models[0].replicas[r];
    EXPECT_EQ(replica.group, r < 4 ? "A" : "B");
    EXPECT_EQ(replica.adapters, std::vector<std::string>{"adapter" + std::to_string(r + 1)});
  }
  auto const text = to_json_text(p);
  EXPECT_EQ(parse_plan(text).value(), p);
  ASSERT_FALSE(p.notes.empty());
  EXPECT_EQ(p.notes[0], "adapters: the busiest instance has a load of 1, no assignment has less");
}

TEST(lora_groups, counts_the_room_that_adapters_take) {
  auto const weights = [](plan const& p) { return p.models[0].replicas[0].stages[0].weight_bytes; };
  auto const plain = place(t::gpus(2, 24_GiB), work(), data_parallel{2}, auto_partition{}).value();
  lora_groups asked{.adapters = {{.name = "a", .lora_rank = 64}, {.name = "b", .lora_rank = 8}}, .instances = 2};
  auto const one = weights(placed(asked, 2)) - weights(plain);
  asked.slots = 4;
  EXPECT_EQ(weights(placed(asked, 2)) - weights(plain), one * 4) << "four slots of the largest rank";
  // Rank 64 of q, k, v, o, gate, up and down of eight layers in two bytes.
  EXPECT_EQ(one.count(), 8 * 64 * 2 * ((1024 + 1024) * 2 + (1024 + 512) * 2 + 3 * (1024 + 3072)));
  asked.adapters[0].lora_rank = 100'000;
  auto const refused = place(t::gpus(2, 24_GiB), work(), asked, auto_partition{});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, errc::does_not_fit);
}

TEST(lora_groups, refuses_in_words_what_cannot_be) {
  EXPECT_EQ(refusal({}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a"}, {.name = "a"}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a", .group = "A"}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a", .load = -1}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a", .load = NAN}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a", .lora_rank = 0}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a", .replicas = 9}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a"}}, .groups = {{"A", {8}}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a"}}, .groups = {{"A", {1}}, {"B", {1}}}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({.adapters = {{.name = "a"}, {.name = "b"}, {.name = "c"}}, .instances = 2, .slots = 1}).code,
            errc::does_not_fit);
  EXPECT_EQ(refusal({.adapters = {{.name = "a"}}, .instances = 9}).code, errc::does_not_fit);
  auto const two = t::pair(t::small_model(4), t::small_model(4));
  EXPECT_EQ((lora_groups{.adapters = {{.name = "a"}}}.propose(two, t::gpus(2, 24_GiB)).error().code), errc::invalid_argument);
}

TEST(lora_groups, is_read_from_json_python_and_a_list) {
  auto const read = parse_lora_groups(R"({'instances': 4, "slots": 2, "groups": {"A": "0-1", "B": [2, 3]},
    "adapters": {"sql": {"load": 3, "rank": 8, "group": "A", "replicas": 2}, "chat": 1.5, "code": {}}})")
                        .value();
  EXPECT_EQ(read.instances, 4U);
  EXPECT_EQ(read.slots, 2U);
  ASSERT_EQ(read.groups.size(), 2U);
  EXPECT_EQ(read.groups[0].instances, (std::vector<std::size_t>{0, 1}));
  ASSERT_EQ(read.adapters.size(), 3U);
  EXPECT_EQ(read.adapters[0].lora_rank, 8);
  EXPECT_EQ(read.adapters[0].replicas, 2U);
  EXPECT_EQ(read.adapters[0].group, "A");
  EXPECT_EQ(read.adapters[1].load, 1.5);
  auto const list = parse_lora_groups("sql*3:chat").value();
  ASSERT_EQ(list.adapters.size(), 2U);
  EXPECT_EQ(list.adapters[0].name, "sql");
  EXPECT_EQ(list.adapters[0].load, 3);
  EXPECT_EQ(parse_lora_groups(R"({"adapters": ["x", "y"]})").value().adapters.size(), 2U);
  for (auto const* bad : {"", "{", "{'a': 1}", "{'slots': -1}", "{'groups': {'A': '3-1'}}", "{'groups': {'A': '0-99999999999'}}",
                          "{'adapters': {'a': []}}", "{'adapters': {'a': {'speed': 1}}}", "{'adapters': [1]}", "a*", "a*b"})
    EXPECT_TRUE(parse_lora_groups(bad).has_error()) << bad;
}
