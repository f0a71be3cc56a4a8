#include <gpuplace/placement/partition/sequential.hpp>

#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/place.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

device_group with_limits(std::vector<bytes> const& limits) { return t::gpus(limits.size(), 1_GiB).with_limits(limits); }

bytes amount(std::mt19937& random, unsigned below) { return bytes{static_cast<std::int64_t>(random() % below)}; }

std::vector<unit> random_units(std::mt19937& random, std::size_t count, bool tied) {
  std::vector<unit> units(count);
  for (auto& u : units) {
    u.weight_bytes = amount(random, 9) + 1_B;
    u.kv_bytes_per_token = amount(random, 3);
    u.workspace_bytes_per_token = amount(random, 5);
  }
  units.front().kind = unit_kind::embedding;
  units.back().kind = unit_kind::head;
  units.back().tied = tied;
  return units;
}

/// How many units each device has.
std::vector<std::size_t> counts_of(stages const& spans, std::size_t devices) {
  std::vector<std::size_t> counts(devices);
  for (auto const& s : spans) counts[s.device] += s.last - s.first;
  return counts;
}

bool held(stages const& spans, std::vector<unit> const& units, demand const& load, std::vector<bytes> const& limits) {
  std::vector<bytes> used(limits.size());
  auto const needs = memory_of(spans, units, load);
  for (std::size_t s = 0; s < spans.size(); ++s) used[spans[s].device] += needs[s].total();
  return std::ranges::equal(used, limits, std::less_equal<>{});
}

/// Every way to cut the chain in the order of the devices; the one that fills the first devices most.
std::vector<std::size_t> fullest(std::vector<unit> const& units, demand const& load, std::vector<bytes> const& limits) {
  std::vector<std::size_t> best, counts(limits.size());
  std::function<void(std::size_t, std::size_t)> cut = [&](std::size_t device, std::size_t from) {
    if (device == limits.size()) {
      if (from != units.size()) return;
      stages spans;
      for (std::size_t d = 0, next = 0; d < counts.size(); next += counts[d++])
        if (counts[d] > 0) spans.push_back({.device = d, .first = next, .last = next + counts[d]});
      if (held(spans, units, load, limits)) best = std::max(best, counts);
      return;
    }
    for (std::size_t n = 0; from + n <= units.size(); ++n) {
      counts[device] = n;
      cut(device + 1, from + n);
    }
  };
  cut(0, 0);
  return best;
}

}  // namespace

TEST(sequential, fills_each_device_as_the_exhaustive_search_does) {
  std::mt19937 random(3);
  int fitting = 0;
  for (int round = 0; round < 400; ++round) {
    auto const units = random_units(random, 2 + random() % 6, false);
    demand const load{.context = 2, .sequences = 1, .step_tokens = 1, .kv_page = 1, .head = tied_head::shared};
    std::vector<bytes> limits(1 + random() % 3);
    for (auto& l : limits) l = amount(random, 40);
    auto const expected = fullest(units, load, limits);
    auto const spans = sequential{}.partition(units, with_limits(limits), load);
    ASSERT_EQ(spans.has_value(), !expected.empty()) << round;
    if (!spans) continue;
    ++fitting;
    EXPECT_EQ(counts_of(*spans, limits.size()), expected) << round;
  }
  EXPECT_GT(fitting, 100);
}

TEST(sequential, a_tied_head_returns_and_limits_hold) {
  std::mt19937 random(5);
  int returned = 0;
  for (int round = 0; round < 400; ++round) {
    auto const units = random_units(random, 3 + random() % 5, true);
    demand const load{
        .context = 2, .sequences = 1, .step_tokens = 1, .kv_page = 1, .weights_only = round % 3 == 0, .head = tied_head::shared};
    std::vector<bytes> limits(1 + random() % 3);
    for (auto& l : limits) l = amount(random, 50);
    auto const spans = sequential{}.partition(units, with_limits(limits), load);
    if (!spans) {
      EXPECT_EQ(spans.error().code, errc::does_not_fit);
      continue;
    }
    EXPECT_TRUE(held(*spans, units, load, limits)) << round;
    EXPECT_TRUE(detail::check_spans(*spans, units.size(), with_limits(limits), "sequential"));
    EXPECT_EQ(spans->back().device, spans->front().device) << "the embedding is the first unit";
    returned += spans->size() > 1;
  }
  EXPECT_GT(returned, 30);
}

TEST(sequential, places_as_accelerate_does) {
  auto const oracle = read_json_file(GPUPLACE_TEST_DATA "/placement/sequential_oracle.json").value();
  int refused = 0;
  for (auto const& one : oracle["cases"]) {
    auto const model = describe(model_config_from_json(one["config"], "config").value(), dtype::bf16, "oracle", "test");
    std::vector<bytes> limits;
    for (auto const& l : one["limits"]) limits.push_back(bytes{l.get<std::int64_t>()});
    demand const load{.weights_only = true, .head = tied_head::shared};
    auto const spans = sequential{}.partition(model.units, with_limits(limits), load);
    bool const to_disk = std::ranges::any_of(one["devices"], [](auto const& d) { return d.is_string(); });
    if (to_disk) {  // accelerate offloads; the answer here is no, or that it fits without the room that is kept
      refused += !spans.has_value();
      EXPECT_TRUE(!spans || held(*spans, model.units, load, limits));
      continue;
    }
    ASSERT_TRUE(spans) << spans.error() << one;
    std::vector<std::size_t> devices(model.units.size());
    for (auto const& s : *spans)
      std::fill(devices.begin() + static_cast<std::ptrdiff_t>(s.first), devices.begin() + static_cast<std::ptrdiff_t>(s.last),
                s.device);
    EXPECT_EQ(devices, one["devices"].get<std::vector<std::size_t>>()) << one;
  }
  EXPECT_GT(refused, 5);
}

TEST(sequential, leaves_the_last_devices_free_and_counts_kv_cache_and_backend) {
  auto const model = t::preset("qwen2.5-7b");
  auto const devices_used = [&](demand const& load, bytes fixed) {
    auto const made = place(t::gpus(4, 24_GiB), t::one(model, load), one_group{}, sequential{},
                            {.memory = {.fixed = fixed, .per_step_token = 10_KiB}});
    return std::ranges::count_if(made.value().devices, [](planned_device const& d) { return d.used_bytes.count() > 0; });
  };
  EXPECT_EQ(devices_used({}, {}), 1);
  EXPECT_EQ(devices_used({}, 10_GiB), 2);
  EXPECT_EQ(devices_used({.context = 32768, .sequences = 16}, {}), 2);
  EXPECT_EQ(devices_used({.context = 32768, .sequences = 32}, {}), 4);
}

TEST(sequential, a_second_model_fills_what_the_first_left) {
  auto const made =
      place(t::gpus(2, 20_GiB), t::pair(t::preset("qwen2.5-7b"), t::preset("qwen2.5-3b")), one_group{}, sequential{}).value();
  EXPECT_EQ(made.models[0].replicas[0].stages.size(), 1U);
  EXPECT_EQ(made.models[1].replicas[0].stages.front().device.index, 0);
  EXPECT_EQ(made.models[1].replicas[0].stages[1].device.index, 1);
}

TEST(sequential, says_what_finds_no_room) {
  auto const made = place(t::gpus(2, 24_GiB), t::one(t::preset("qwen2.5-72b")), one_group{}, sequential{});
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, errc::does_not_fit);
  EXPECT_NE(made.error().what.find("units behind it find no room"), std::string::npos) << made.error();
  EXPECT_NE(made.error().remedy.find("more devices like cuda:1"), std::string::npos) << made.error();
  EXPECT_TRUE(sequential{}.partition(t::small_model(2).units, device_group{}, {}).has_error());
}
