#include <gpuplace/plan/hash.hpp>
#include <gpuplace/plan/json.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace gpuplace;

namespace {

/// Objects with their keys in the opposite order.
nlohmann::ordered_json reversed(nlohmann::ordered_json const& value) {
  if (value.is_array()) {
    auto list = nlohmann::ordered_json::array();
    for (auto const& item : value) list.push_back(reversed(item));
    return list;
  }
  if (!value.is_object()) return value;
  std::vector<std::string> keys;
  for (auto const& [key, item] : value.items()) keys.insert(keys.begin(), key);
  auto object = nlohmann::ordered_json::object();
  for (auto const& key : keys) object[key] = reversed(value[key]);
  return object;
}

TEST(plan_hash, the_order_of_keys_and_spacing_do_not_count) {
  plans::random_plans random(3);
  for (int i = 0; i < 100; ++i) {
    auto const p = random.next();
    auto const other = parse_plan(reversed(to_json(p)).dump(7)).value();
    EXPECT_EQ(plan_hash(other), plan_hash(p));
  }
}

TEST(plan_hash, predictions_and_notes_do_not_count) {
  auto p = plans::six_to_two();
  auto const before = plan_hash(p);
  p.predicted = {{.role = "target", .decode_step = seconds{1}}};
  p.predicted_extra["x"] = "1";
  p.notes = {"a note"};
  EXPECT_EQ(plan_hash(p), before);
}

TEST(plan_hash, everything_else_counts) {
  std::function<void(plan&)> const changes[] = {
      [](plan&) {},
      [](plan& p) { p.schema += "0"; },
      [](plan& p) { p.extra["x"] = "1"; },
      [](plan& p) { p.models.pop_back(); },
      [](plan& p) { std::swap(p.models[0], p.models[1]); },
      [](plan& p) { p.models[0].name += "x"; },
      [](plan& p) { p.models[0].role += "x"; },
      [](plan& p) { p.models[0].source += "x"; },
      [](plan& p) { p.models[0].fingerprint += "x"; },
      [](plan& p) { p.models[0].type = dtype::fp32; },
      [](plan& p) { p.models[0].context += 1; },
      [](plan& p) { p.models[0].batch += 1; },
      [](plan& p) { p.models[0].how = coupling::independent; },
      [](plan& p) { p.models[0].tied_embeddings = true; },
      [](plan& p) { p.models[0].head = tied_head::shared; },
      [](plan& p) { p.models[0].extra["x"] = "1"; },
      [](plan& p) { p.models[0].replicas[0].group = "g"; },
      [](plan& p) { p.models[0].replicas[0].rank = 1; },
      [](plan& p) { p.models[0].replicas[0].adapters = {"g"}; },
      [](plan& p) { p.models[0].replicas[0].endpoint = "g"; },
      [](plan& p) { p.models[0].replicas[0].micro_batches = 2; },
      [](plan& p) { p.models[0].replicas[0].extra["x"] = "1"; },
      [](plan& p) { p.models[0].replicas[0].stages[1].device.index = 7; },
      [](plan& p) { p.models[0].replicas[0].stages[1].units.pop_back(); },
      [](plan& p) { p.models[0].replicas[0].stages[1].weight_bytes += 1_B; },
      [](plan& p) { p.models[0].replicas[0].stages[1].kv_bytes += 1_B; },
      [](plan& p) { p.models[0].replicas[0].stages[1].kv_pool_bytes += 1_B; },
      [](plan& p) { p.models[0].replicas[0].stages[1].workspace_bytes += 1_B; },
      [](plan& p) { p.models[0].replicas[0].stages[1].tensor_parallel = 2; },
      [](plan& p) { p.models[0].replicas[0].stages[1].extra["x"] = "1"; },
      [](plan& p) { p.devices.pop_back(); },
      [](plan& p) { p.devices[1].id.host = "node"; },
      [](plan& p) { p.devices[1].name += "x"; },
      [](plan& p) { p.devices[1].uuid += "x"; },
      [](plan& p) { p.devices[1].pci += "x"; },
      [](plan& p) { p.devices[1].physical_index = 9; },
      [](plan& p) { p.devices[1].capacity_bytes += 1_B; },
      [](plan& p) { p.devices[1].used_bytes += 1_B; },
      [](plan& p) { p.devices[1].extra["x"] = "1"; },
  };
  std::set<std::uint64_t> seen;
  int number = 0;
  for (auto const& change : changes) {
    auto p = plans::six_to_two();
    change(p);
    EXPECT_TRUE(seen.insert(plan_hash(p)).second) << "change " << number;
    ++number;
  }
}

TEST(plan_hash, units_that_move_over_a_stage_border_count) {
  auto p = plans::six_to_two();
  auto& stages = p.models[0].replicas[0].stages;
  auto const before = plan_hash(p);
  stages[1].units.push_back(stages[2].units.front());
  stages[2].units.erase(stages[2].units.begin());
  EXPECT_NE(plan_hash(p), before);
}

TEST(plan_hash, is_the_same_on_every_machine_and_in_every_version_of_this_schema) {
  EXPECT_EQ(plan_hash(plan{}), 3502278928029317054u);
  EXPECT_EQ(plan_hash(plans::six_to_two()), 11339689208783333937u);
}

}  // namespace
