#include <gpuplace/placement/resolve_devices.hpp>

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/json.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

struct card {
  char const* uuid;
  char const* pci;
};

device_group machine(std::vector<card> const& cards, std::string const& host = {}) {
  std::vector<device> devices;
  for (auto const& c : cards) {
    device d;
    d.id = {device_kind::cuda, static_cast<int>(devices.size()), host};
    d.name = "GPU";
    d.capacity = 24_GiB;
    d.uuid = c.uuid;
    d.pci = c.pci;
    devices.push_back(d);
  }
  return {devices, [](std::size_t, std::size_t) { return t::nvlink(); }};
}

plan split_over(device_group const& view) { return place(view, t::one(t::small_model(8)), one_group{}, even{}).value(); }

std::vector<int> numbers(plan const& p) {
  std::vector<int> all;
  for (auto const& s : p.models[0].replicas[0].stages) all.push_back(s.device.index);
  return all;
}

bool says(resolution const& r, std::string_view words) {
  return std::ranges::any_of(r.notes, [&](std::string const& note) { return note.find(words) != note.npos; });
}

}  // namespace

TEST(resolve_devices, finds_renumbered_devices_by_uuid) {
  auto const stored = split_over(machine({{"GPU-a", "0000:18:00.0"}, {"GPU-b", "0000:2a:00.0"}}));
  auto const here = machine({{"GPU-x", ""}, {"GPU-B", ""}, {"GPU-a", ""}});
  auto const found = resolve_devices(stored, here).value();
  EXPECT_EQ(numbers(found.resolved), (std::vector<int>{2, 1}));
  EXPECT_TRUE(says(found, "found by UUID"));
  EXPECT_TRUE(says(found, "cuda:0 of the plan is cuda:2 here, found by its UUID"));
  EXPECT_EQ(found.resolved.devices[0].id.index, 2);
  EXPECT_TRUE(validate(found.resolved, {t::small_model(8)}, here));
}

TEST(resolve_devices, then_by_pci_id_then_by_index) {
  auto const stored = split_over(machine({{"GPU-a", "00000000:18:00.0"}, {"GPU-b", "00000000:2A:00.0"}, {"GPU-c", ""}}));
  auto const found = resolve_devices(stored, machine({{"GPU-y", "0000:2a:00.0"}, {"GPU-a", ""}, {"GPU-z", ""}})).value();
  EXPECT_EQ(numbers(found.resolved), (std::vector<int>{1, 0, 2}));
  EXPECT_TRUE(says(found, "1 by UUID, 1 by PCI id, 1 by index"));
  EXPECT_TRUE(says(found, "cuda:1 of the plan is cuda:0 here, found by its PCI id"));
  EXPECT_TRUE(says(found, "cuda:2 is another device than the plan was made for (GPU-c, here GPU-z)"));
}

TEST(resolve_devices, a_device_that_is_taken_is_not_taken_twice) {
  auto const stored = split_over(machine({{"GPU-a", ""}, {"GPU-b", ""}}));
  auto const refused = resolve_devices(stored, machine({{"GPU-b", ""}}));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, errc::not_found);
  EXPECT_EQ(refused.error().what,
            "the plan uses cuda:0 (GPU-a), which is not here: cuda:0 here is the plan's cuda:1, found by its UUID");
}

TEST(resolve_devices, idle_devices_may_be_missing) {
  auto const stored = place(machine({{"", ""}, {"", ""}, {"", ""}}), t::one(t::small_model(8)), one_group{}, whole{}).value();
  auto const found = resolve_devices(stored, machine({{"", ""}})).value();
  EXPECT_EQ(found.resolved.devices.size(), 1U);
  EXPECT_TRUE(says(found, "cuda:2, idle in the plan, is not here"));
  EXPECT_TRUE(parse_plan(to_json_text(found.resolved)));
}

TEST(resolve_devices, one_host_may_have_another_name) {
  auto const stored = split_over(machine({{"", ""}, {"", ""}}, "node1"));
  auto const found = resolve_devices(stored, machine({{"", ""}, {"", ""}})).value();
  EXPECT_EQ(to_string(found.resolved.models[0].replicas[0].stages[1].device), "cuda:1");
}

TEST(resolve_devices, another_kind_of_card_is_named) {
  auto stored = split_over(machine({{"", ""}}));
  stored.devices[0].name = "NVIDIA H100";
  EXPECT_TRUE(says(resolve_devices(stored, machine({{"", ""}})).value(), "cuda:0 is GPU, the plan was made for NVIDIA H100"));
}

TEST(resolve_devices, a_shuffled_machine_keeps_every_stage_on_its_card) {
  std::mt19937 random(9);
  std::vector<card> cards{{"GPU-0", ""}, {"GPU-1", ""}, {"GPU-2", ""}, {"", "0:1:0.0"}, {"", "0:2:0.0"}, {"", "0:3:0.0"}};
  for (int round = 0; round < 50; ++round) {
    auto const before = machine(cards);
    auto const stored = split_over(before);
    std::ranges::shuffle(cards, random);
    auto const after = machine(cards);
    auto const found = resolve_devices(stored, after).value();
    for (std::size_t s = 0; s < 6; ++s) {
      auto const& was = before[static_cast<std::size_t>(stored.models[0].replicas[0].stages[s].device.index)];
      auto const& is = after[static_cast<std::size_t>(found.resolved.models[0].replicas[0].stages[s].device.index)];
      EXPECT_EQ(was.uuid + was.pci, is.uuid + is.pci);
    }
  }
}

TEST(resolve_devices, a_stage_on_an_unlisted_device_is_refused) {
  auto stored = split_over(machine({{"", ""}, {"", ""}}));
  stored.devices.pop_back();
  EXPECT_EQ(resolve_devices(stored, machine({{"", ""}, {"", ""}})).error().code, errc::invalid_argument);
}
