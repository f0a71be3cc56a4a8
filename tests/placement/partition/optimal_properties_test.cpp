// What must hold of the solver where there are too many splits to list them.

#include "../exhaustive_splits.hpp"
#include "../machines.hpp"

#include <gpuplace/model/json_file.hpp>
#include <gpuplace/placement/partition/balanced.hpp>
#include <gpuplace/placement/partition/optimal.hpp>
#include <gpuplace/placement/place.hpp>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace {

using namespace gpuplace;
using namespace gpuplace::testing;

// A case of make_optimal_oracle.py: times are nanoseconds.
struct oracle_case {
  std::vector<unit> units;
  device_group group;
  demand load{.weights_only = true};

  explicit oracle_case(nlohmann::json const& from) {
    for (auto const& weight : from["bytes"]) {
      unit u;
      u.name = "u" + std::to_string(units.size());
      u.weight_bytes = bytes{weight.get<std::int64_t>()};
      units.push_back(std::move(u));
    }
    std::vector<device> devices;
    for (auto const& pace : from["pace"]) {
      device d;
      d.id.index = static_cast<int>(devices.size());
      d.capacity = bytes{from["limits"][devices.size()].get<std::int64_t>()};
      d.memory_bandwidth = gigabytes_per_second{1.0 / pace.get<double>()};
      devices.push_back(std::move(d));
    }
    std::vector<std::vector<double>> const hops = from["hops"];
    group = device_group(std::move(devices), [hops](std::size_t a, std::size_t b) {
      return path{.kind = path_kind::pix, .bandwidth = gigabytes_per_second{1}, .latency = microseconds{1e-3 * hops[a][b]}};
    });
  }
};

TEST(optimal, agrees_with_an_integer_program_on_larger_chains) {
  auto const cases = read_json_file(GPUPLACE_TEST_DATA "/placement/optimal_oracle.json").value();
  ASSERT_GE(cases.size(), 20U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    oracle_case const c(cases[i]);
    auto const quickest = optimal<latency>{}.partition(c.units, c.group, c.load);
    auto const level = balanced{.reorder = true}.partition(c.units, c.group, c.load);
    EXPECT_EQ(quickest.has_value(), !cases[i]["latency"].is_null()) << i;
    EXPECT_EQ(level.has_value(), !cases[i]["largest"].is_null()) << i;
    if (!quickest || !level) continue;
    EXPECT_NEAR(1e9 * step_seconds(*quickest, c.units, c.group, c.load), cases[i]["latency"].get<double>(), 1e-3) << i;
    EXPECT_EQ(largest(*level, c.units, c.group, c.load).count(), cases[i]["largest"].get<std::int64_t>()) << i;
  }
}

device_group relabelled(device_group const& group, std::mt19937& random) {
  std::vector<std::size_t> order(group.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::shuffle(order, random);
  return group.subset(order);
}

template <class Objective>
std::optional<double> value_of(Objective const& objective, random_case const& c, device_group const& group) {
  split_search search(c.units, group, c.load, device_order::any);
  auto const found = objective.solve(search);
  return found ? std::optional(found->cost) : std::nullopt;
}

template <class Objective>
void expect_no_harm_from_names_and_devices(Objective const& objective) {
  std::mt19937 random(5);
  int better = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    random_case const c(seed);
    auto const all = value_of(objective, c, c.group);
    auto const renamed = value_of(objective, c, relabelled(c.group, random));
    ASSERT_EQ(all.has_value(), renamed.has_value()) << seed;
    if (!all) continue;
    EXPECT_NEAR(*renamed, *all, 1e-7 * *all) << seed;
    auto const fewer = value_of(objective, c, c.group.slice(0, c.group.size() - 1));
    if (!fewer) continue;
    EXPECT_LE(*all, *fewer * (1 + 1e-7)) << seed;
    better += *all < *fewer * (1 - 1e-7);
  }
  EXPECT_GT(better, 0) << objective.name;
}

TEST(optimal, neither_names_nor_one_more_device_make_it_worse) {
  expect_no_harm_from_names_and_devices(latency{});
  expect_no_harm_from_names_and_devices(balance_memory{});
  expect_no_harm_from_names_and_devices(throughput{});
}

// Sixteen different devices: too many for all orders.
struct wide_case : oracle_case {
  explicit wide_case(std::uint32_t seed) : oracle_case(made(seed)) {}
  static nlohmann::json made(std::uint32_t seed) {
    std::mt19937 random(seed);
    nlohmann::json from{{"bytes", nlohmann::json::array()}, {"limits", {}}, {"pace", {}}, {"hops", {}}};
    for (int u = 0; u < 40; ++u) from["bytes"].push_back(1000 + 100 * (random() % 3));
    for (int d = 0; d < 16; ++d) {
      from["limits"].push_back(3000 + random() % 4000);
      from["pace"].push_back(1 + random() % 4);
      from["hops"].push_back(std::vector<double>(16));
    }
    for (std::size_t a = 0; a < 16; ++a)
      for (std::size_t b = 0; b < a; ++b) from["hops"][a][b] = from["hops"][b][a] = 10.0 * static_cast<double>(1 + random() % 50);
    return from;
  }
};

TEST(optimal, of_very_many_uneven_devices_is_good_and_says_that_it_is_not_exact) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    wide_case const c(seed);
    split_search any(c.units, c.group, c.load, device_order::any), given(c.units, c.group, c.load, device_order::given);
    EXPECT_FALSE(any.exact());
    EXPECT_TRUE(given.exact());
    auto const found = latency{}.solve(any);
    auto const in_order = latency{}.solve(given);
    ASSERT_TRUE(found && in_order);
    EXPECT_LT(found->cost, in_order->cost);
    EXPECT_GE(found->cost, latency{}.bound(any.problem()));
    EXPECT_TRUE(keeps_limits(found->spans, c.units, c.group, c.load));
  }
}

TEST(optimal, bounds_are_below_what_is_found) {
  int tight = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    random_case const c(seed);
    auto const check = [&](auto const& objective) {
      split_search search(c.units, c.group, c.load, device_order::any);
      auto const found = objective.solve(search);
      if (!found) return;
      split_problem const problem(c.units, c.group, c.load);
      EXPECT_LE(objective.bound(problem), found->cost * (1 + 1e-9)) << objective.name << ' ' << seed;
      tight += objective.bound(problem) > 0.7 * found->cost;
    };
    check(latency{});
    check(balance_memory{});
    check(fewest_devices{});
    check(throughput{});
  }
  EXPECT_GT(tight, 400);
}

TEST(optimal, takes_a_host_of_like_devices_in_its_stride) {
  auto const model = preset("llama-3.1-70b");
  auto const found = optimal<latency>{}.partition(model.units, gpus(256, 8_GiB), {});
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(optimal<latency>{}.partition(model.units, gpus(513, 8_GiB), {}).error().code, errc::unsupported);
}

TEST(optimal, prefers_the_fast_device_and_the_wide_link) {
  auto const model = small_model(24);
  std::vector<device> devices;
  for (int i = 0; i < 4; ++i) {
    device d = gpus(1, 80_GiB)[0];
    d.id.index = i;
    if (i != 2) d.memory_bandwidth = gigabytes_per_second{800};
    devices.push_back(d);
  }
  device_group const group(devices, [](std::size_t, std::size_t) { return nvlink(); });
  EXPECT_EQ(optimal<latency>{}.partition(model.units, group, {}).value(), (stages{{2, 0, model.units.size()}}));
}

TEST(optimal, never_crosses_where_there_is_no_way) {
  auto const model = small_model(24);
  auto const islands = [](std::size_t a, std::size_t b) { return a / 2 == b / 2 ? nvlink() : path{}; };
  std::vector<device> devices(4, gpus(1, 256_MiB)[0]);
  for (int i = 0; i < 4; ++i) devices[static_cast<std::size_t>(i)].id.index = i;
  devices[2].capacity = devices[3].capacity = 1_GiB;
  auto const found = optimal<latency>{}.partition(model.units, device_group(devices, islands), {});
  ASSERT_TRUE(found) << found.error();
  for (auto const& s : *found) EXPECT_GE(s.device, 2U);
}

TEST(balanced, is_refused_in_words) {
  auto const model = preset("qwen2.5-7b");
  auto const too_large = balanced{}.partition(model.units, gpus(2, 4_GiB), {});
  EXPECT_EQ(too_large.error().code, errc::does_not_fit);
  EXPECT_NE(too_large.error().what.find("2 devices"), std::string::npos) << too_large.error();
  auto const too_coarse = balanced{}.partition(model.units, gpus(64, 500_MiB), {});
  EXPECT_NE(too_coarse.error().what.find("model.embed_tokens"), std::string::npos) << too_coarse.error();
  EXPECT_EQ(balanced{}.partition(model.units, device_group{}, {}).error().code, errc::invalid_argument);
  EXPECT_EQ(balanced_low_0{}.partition(model.units, gpus(1, 4_GiB), {}).error().code, errc::does_not_fit);
}

TEST(balanced, counts_kv_cache_and_workspace) {
  auto const model = preset("qwen2.5-7b");
  auto const group = gpus(3, 80_GiB);
  auto const light = balanced{}.partition(model.units, group, {.weights_only = true, .head = tied_head::shared}).value();
  demand const heavy{.context = 32768, .sequences = 16, .head = tied_head::shared};
  auto const spans = balanced{}.partition(model.units, group, heavy).value();
  EXPECT_LT(largest(spans, model.units, group, heavy), largest(light, model.units, group, heavy));
  EXPECT_NE(layers_of(spans, model), layers_of(light, model));
}

}  // namespace
