#include <gpuplace/placement/place.hpp>

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
// A strategy whose answer leaves the last unit out.
struct forgetful {
  static constexpr std::string_view name = "forgetful";
  result<stages> partition(std::span<unit const> units, device_group const&, demand const&) const {
    return stages{{.device = 0, .first = 0, .last = units.size() - 1}};
  }
};
// An allocation with a bad guess before a good one.
struct two_guesses {
  static constexpr std::string_view name = "two_guesses";
  result<std::vector<candidate>> propose(workload const&, device_group const& view) const {
    return std::vector<candidate>{{.models = {{view.slice(0, 1)}}, .label = "one"},
                                  {.models = {{view.slice(0, 1), view.slice(1, 1)}}, .label = "two"}};
  }
};
bytes total_weights(model_plan const& m) {
  bytes total;
  for (auto const& s : m.replicas.front().stages) total += s.weight_bytes;
  return total;
}
}  // namespace

TEST(place, target_and_drafter_as_the_document_draws_them) {
  auto const p = place(t::gpus(8, 24_GiB), t::pair(t::small_model(24), t::small_model(24, 512)), ratio{6, 2}, even{}).value();
  ASSERT_EQ(p.models.size(), 2U);
  std::vector<std::string> target;
  for (auto const& s : p.models[0].replicas[0].stages) target.push_back(to_string(s.device) + " " + std::to_string(s.units.size()));
  EXPECT_EQ(target, (std::vector<std::string>{"cuda:0 5", "cuda:1 4", "cuda:2 4", "cuda:3 4", "cuda:4 4", "cuda:5 6"}));
  EXPECT_EQ(p.models[1].replicas[0].stages[0].device.index, 6);
  EXPECT_EQ(p.models[1].how, coupling::speculative);
}

TEST(place, a_gpu_gives_up_what_its_context_takes_and_a_cpu_slot_does_not) {
  auto const beside_units = [](device_group const& machine) {
    auto const p = place(machine, t::one(t::small_model(6), {.context = 64}), one_group{}, even{},
                         {.memory = {.fixed = 100_MiB, .context = 1_GiB}});
    auto const& s = p.value().models[0].replicas[0].stages[0];
    return p->devices[0].used_bytes - s.weight_bytes - s.kv_bytes - s.workspace_bytes;
  };
  EXPECT_EQ(beside_units(t::gpus(1, 4_GiB)), 1_GiB);
  device slot;
  slot.id = {device_kind::cpu, 0, {}};
  slot.capacity = 4_GiB;
  EXPECT_EQ(beside_units(device_group({slot}, nullptr)), 100_MiB);
}

TEST(place, never_exceeds_a_limit_and_grants_all_that_is_left) {
  std::mt19937 random(7);
  int placed = 0;
  for (int round = 0; round < 200; ++round) {
    auto const devices = 1 + random() % 6;
    auto const memory = bytes{static_cast<std::int64_t>((1 + random() % 16)) << 30};
    demand const load{.context = 64 << (random() % 7), .sequences = 1 << (random() % 8)};
    auto const model = t::small_model(6 + static_cast<std::int64_t>(random() % 30), 1024, random() % 2 == 0);
    auto const p = place(t::gpus(devices, memory), t::one(model, load), one_group{}, even{}, {.memory = {.fixed = 300_MiB}});
    if (!p) {
      EXPECT_EQ(p.error().code, errc::does_not_fit);
      continue;
    }
    ++placed;
    bytes granted;
    for (auto const& s : p->models[0].replicas[0].stages) {
      EXPECT_GE(s.kv_pool_bytes, s.kv_bytes);
      granted += s.kv_pool_bytes - s.kv_bytes;
    }
    bytes room;
    for (auto const& d : p->devices) {
      EXPECT_LE(d.used_bytes, d.capacity_bytes);
      if (d.used_bytes.count() > 0) room += d.capacity_bytes - d.used_bytes;
    }
    EXPECT_NEAR(granted.gib(), room.gib(), 1e-6);
  }
  EXPECT_GT(placed, 50);
}

TEST(place, a_tied_head_counts_once_when_shared_and_twice_when_copied) {
  auto const model = t::small_model(24, 1024, true);
  auto const head = model.units.back().weight_bytes;
  auto const copied = place(t::gpus(2, 24_GiB), t::one(model), one_group{}, even{}).value();
  auto const shared = place(t::gpus(2, 24_GiB), t::one(model, {.weights_only = true}), one_group{}, even{}).value();
  auto const alone = place(t::gpus(1, 24_GiB), t::one(model), one_group{}, whole{}).value();
  EXPECT_EQ(total_weights(copied.models[0]), total_weights(shared.models[0]) + head);
  EXPECT_EQ(total_weights(alone.models[0]), total_weights(shared.models[0]));
  EXPECT_EQ(shared.models[0].head, tied_head::shared);
  EXPECT_EQ(shared.models[0].replicas[0].stages.back().units, std::vector<std::string>{"lm_head"});
}

TEST(place, two_models_share_one_devices_pool) {
  auto const p = place(t::gpus(1, 24_GiB), t::pair(t::small_model(24), t::small_model(12)), same{}, whole{}).value();
  auto const& target = p.models[0].replicas[0].stages[0];
  auto const& drafter = p.models[1].replicas[0].stages[0];
  EXPECT_NEAR(target.kv_pool_bytes.gib(), 2 * drafter.kv_pool_bytes.gib(), 1e-3);
  EXPECT_NEAR((target.used_bytes() + drafter.used_bytes() - target.kv_bytes - drafter.kv_bytes + target.kv_pool_bytes +
               drafter.kv_pool_bytes)
                  .gib(),
              24, 1e-6);
}

TEST(place, says_what_would_fit_and_it_does) {
  auto const work = t::one(t::preset("qwen2.5-7b"), {.context = 32768, .sequences = 64});
  auto const view = t::gpus(1, 24_GiB);
  auto const refused = place(view, work, one_group{}, whole{});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, errc::does_not_fit);
  EXPECT_EQ(refused.error().where, "cuda:0");
  auto const& remedy = refused.error().remedy;
  auto const number_after = [&](std::string const& option) {
    return std::stoll(remedy.substr(remedy.find(option) + option.size()));
  };
  ASSERT_NE(remedy.find("--max-model-len "), std::string::npos) << remedy;
  ASSERT_NE(remedy.find("--max-num-seqs "), std::string::npos) << remedy;
  auto const with = [&](std::int64_t context, std::int64_t sequences) {
    return place(view, t::one(t::preset("qwen2.5-7b"), {.context = context, .sequences = sequences}), one_group{}, whole{})
        .has_value();
  };
  auto const context = number_after("--max-model-len ");
  auto const sequences = number_after("--max-num-seqs ");
  EXPECT_TRUE(with(context, 64));
  EXPECT_FALSE(with(context + 16, 64));
  EXPECT_TRUE(with(32768, sequences));
  EXPECT_FALSE(with(32768, sequences + 1));
}

TEST(place, gives_the_numbers_of_the_plans_that_would_fit) {
  auto const work = t::one(t::preset("qwen2.5-14b"), {.context = 4096, .sequences = 1});
  auto const two = place(t::gpus(2, 12_GiB), work, one_group{}, even{});
  ASSERT_TRUE(two.has_error());
  auto const three = place(t::gpus(3, 12_GiB), work, one_group{}, even{}).value();
  auto const& fullest = *std::ranges::max_element(three.devices, {}, &planned_device::used_bytes);
  std::array<char, 32> rate{};
  std::snprintf(rate.data(), rate.size(), "%.4g tokens/s", three.predicted.front().tokens_per_second);
  auto const line = "1 more device like cuda:1 (12.0 GiB each): " + to_string(fullest.used_bytes) + " of 12.0 GiB on " +
                    to_string(fullest.id) + ", " + rate.data();
  EXPECT_NE(two.error().remedy.find(line), std::string::npos) << two.error().remedy << "\nand not\n" << line;
}

TEST(place, says_which_format_and_how_many_more_devices_would_do) {
  auto const refused =
      place(t::gpus(2, 80_GiB), t::one(t::preset("qwen2.5-72b"), {.context = 2048, .sequences = 64}), one_group{}, even{});
  ASSERT_TRUE(refused.has_error());
  EXPECT_NE(refused.error().remedy.find("--dtype int8"), std::string::npos) << refused.error().remedy;
  EXPECT_NE(refused.error().remedy.find("1 more device like cuda:1"), std::string::npos) << refused.error().remedy;
}

TEST(place, refuses_nonsense_before_any_strategy_sees_it) {
  auto const view = t::gpus(2, 24_GiB);
  auto const code = [&](workload const& w) { return place(view, w, one_group{}, even{}).error().code; };
  EXPECT_EQ(code({}), errc::invalid_argument);
  EXPECT_EQ(code(t::one(t::small_model(4), {.sequences = 0})), errc::invalid_argument);
  EXPECT_EQ(code(t::one(t::small_model(4), {.context = -1})), errc::invalid_argument);
  EXPECT_EQ(code(t::one(t::small_model(4), {.context = 5000})), errc::invalid_argument);
  EXPECT_EQ(code(t::one(t::small_model(4), {.sequences = std::int64_t{1} << 40})), errc::invalid_argument);
}

TEST(place, refuses_a_strategy_that_forgets_a_unit) {
  auto const p = place(t::gpus(1, 24_GiB), t::one(t::small_model(4)), one_group{}, forgetful{});
  ASSERT_TRUE(p.has_error());
  EXPECT_NE(p.error().message().find("forgetful: the partition's answer is wrong: 1 of 7 units are placed nowhere"),
            std::string::npos)
      << p.error();
}

TEST(place, keeps_the_best_candidate_and_names_the_other) {
  auto const p = place(t::gpus(2, 24_GiB), t::one(t::small_model(4)), two_guesses{}, whole{}).value();
  EXPECT_EQ(p.models[0].replicas.size(), 2U);
  ASSERT_EQ(p.notes.size(), 1U);
  EXPECT_NE(p.notes[0].find("also considered one"), std::string::npos);
}
