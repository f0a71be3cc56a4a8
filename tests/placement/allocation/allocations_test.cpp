#include <gpuplace/placement/allocation.hpp>

#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/presets.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
// Device numbers of every group, "0,1|2,3" for one model, models separated by spaces.
template <allocation_strategy A>
std::string picture(A const& a, workload const& work, device_group const& view) {
  auto const proposals = a.propose(work, view).value();
  EXPECT_EQ(proposals.size(), 1U);
  std::string text;
  for (auto const& groups : proposals.front().models) {
    if (!text.empty()) text += ' ';
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (g) text += '|';
      for (std::size_t d = 0; d < groups[g].size(); ++d) text += (d ? "," : "") + std::to_string(groups[g][d].id.index);
    }
  }
  return text;
}
template <allocation_strategy A>
std::string picture(A const& a, workload const& work, std::size_t devices) {
  return picture(a, work, t::gpus(devices, 24_GiB));
}
device_group machine(std::string_view name) { return topology::all_devices(topology::preset(name).value()); }
bool mentions(std::vector<std::string> const& notes, std::string_view words) {
  return std::ranges::any_of(notes, [&](std::string const& note) { return note.find(words) != note.npos; });
}
workload single() { return t::one(t::small_model(24)); }
workload two() { return t::pair(t::small_model(24), t::small_model(24, 512)); }
template <allocation_strategy A>
error refusal(A const& a, workload const& work, std::size_t devices) {
  auto const proposals = a.propose(work, t::gpus(devices, 24_GiB));
  EXPECT_TRUE(proposals.has_error());
  return proposals.error();
}
}  // namespace

TEST(data_parallel, cuts_the_view_into_equal_groups) {
  EXPECT_EQ(picture(data_parallel{4}, single(), 4), "0|1|2|3");
  EXPECT_EQ(picture(data_parallel{2}, single(), 4), "0,1|2,3");
  EXPECT_EQ(picture(data_parallel{}, single(), 3), "0|1|2");
  EXPECT_EQ(picture(data_parallel{3}, single(), 8), "0,1|2,3|4,5");
  EXPECT_EQ(picture(data_parallel{2}, two(), 4), "0,1|2,3 0,1|2,3");
}
TEST(data_parallel, refuses_more_replicas_than_devices) {
  EXPECT_EQ(refusal(data_parallel{5}, single(), 4).code, errc::does_not_fit);
}

TEST(one_group, shares_all_devices) {
  EXPECT_EQ(picture(one_group{}, single(), 3), "0,1,2");
  EXPECT_EQ(picture(one_group{}, two(), 2), "0,1 0,1");
  EXPECT_TRUE(refusal(one_group{}, single(), 0).code == errc::does_not_fit);
}

TEST(ratio, gives_the_fifth_documents_picture) { EXPECT_EQ(picture(ratio{6, 2}, two(), 8), "0,1,2,3,4,5 6,7"); }
TEST(ratio, is_a_proportion_of_a_multiple) { EXPECT_EQ(picture(ratio{3, 1}, two(), 8), "0,1,2,3,4,5 6,7"); }
TEST(ratio, leaves_a_remainder_idle) { EXPECT_EQ(picture(ratio{2, 1}, two(), 4), "0,1 2"); }
TEST(ratio, refuses_what_cannot_be) {
  EXPECT_NE(refusal(ratio{6, 2}, two(), 4).message().find("needs 8 devices, there are 4"), std::string::npos);
  EXPECT_EQ(refusal(ratio{6, 2}, single(), 8).code, errc::invalid_argument);
  EXPECT_EQ(refusal(ratio{6, 0}, two(), 8).code, errc::invalid_argument);
  EXPECT_EQ(refusal(ratio{}, two(), 8).code, errc::invalid_argument);
}

TEST(separate, gives_each_model_its_own_device) {
  EXPECT_EQ(picture(separate{}, two(), 2), "0 1");
  EXPECT_EQ(refusal(separate{}, two(), 1).code, errc::does_not_fit);
}
TEST(same, puts_all_models_on_the_first_device) { EXPECT_EQ(picture(same{}, two(), 2), "0 0"); }

TEST(data_parallel, puts_each_replica_on_the_best_linked_devices) {
  EXPECT_EQ(picture(data_parallel{4}, single(), machine("dgx1-v100")), "0,3|1,2|4,7|5,6");
  EXPECT_EQ(picture(data_parallel{2}, single(), machine("dgx1-v100")), "0,1,2,3|4,5,6,7");
  EXPECT_EQ(picture(data_parallel{2, 2}, single(), machine("dgx1-v100")), "0,3|1,2");
  EXPECT_EQ(picture(data_parallel{4}, single(), machine("dgx-h100")), "0,1|2,3|4,5|6,7");
  EXPECT_EQ(picture(ratio{6, 2}, two(), machine("dgx-h100")), "0,1,2,3,4,5 6,7");
  EXPECT_EQ(picture(ratio{2, 2}, two(), topology::all_devices(t::pcie_tree(2, 2))), "0,1 2,3");
  EXPECT_EQ(picture(separate{}, two(), machine("dgx1-v100")), "0 3");
}

TEST(data_parallel, makes_replicas_as_large_as_their_memory_asks) {
  auto const view = t::gpus(4, 12_GiB);
  auto const seven = t::one(t::preset("qwen2.5-7b"));
  EXPECT_EQ(data_parallel{}.propose(seven, view).value().front().label, "data_parallel(2)");
  auto const made = place(view, seven, data_parallel{}, auto_partition{}).value();
  ASSERT_EQ(made.models[0].replicas.size(), 2U);
  for (auto const& r : made.models[0].replicas) EXPECT_EQ(r.stages.size(), 2U);
  EXPECT_TRUE(mentions(made.notes, "a replica takes 2 devices: qwen2.5-7b in bf16 needs 14.6 GiB and a device has 12.0 GiB"));
  EXPECT_TRUE(mentions(made.notes, "4 devices are 2 replicas of 2"));
  auto const refused = place(view, seven, data_parallel{4}, auto_partition{}).error();
  EXPECT_EQ(refused.code, errc::does_not_fit);
  EXPECT_NE(refused.remedy.find("data_parallel(2)"), std::string::npos) << refused.remedy;
  EXPECT_NE(refused.remedy.find("a replica takes 2"), std::string::npos) << refused.remedy;
  EXPECT_TRUE(place(t::gpus(4, 24_GiB), seven, data_parallel{}, auto_partition{}).value().notes.empty());
}

TEST(data_parallel, finds_the_least_size_that_a_whole_unit_split_allows) {
  for (std::int64_t const layers : {6, 11, 24, 40})
    for (std::int64_t mebibytes = 150; mebibytes < 1500; mebibytes += 90) {
      auto const view = t::gpus(8, bytes{mebibytes << 20});
      auto const work = t::one(t::small_model(layers));
      std::size_t least = 0;
      for (std::size_t size = 1; size <= 8 && least == 0; ++size)
        if (sequential{}.partition(work.models[0].model.units, view.slice(0, size), work.models[0].load)) least = size;
      auto const proposed = data_parallel{}.propose(work, view).value();
      if (least > 0) {
        EXPECT_EQ(proposed[0].models[0].size(), 8 / least);
      }
      auto const made = place(view, work, data_parallel{}, sequential{});
      EXPECT_EQ(made.has_value(), least > 0);
    }
}

TEST(data_parallel, refuses_replicas_that_take_more_than_there_is) {
  EXPECT_EQ(refusal(data_parallel{3, 2}, single(), 4).code, errc::does_not_fit);
  EXPECT_EQ(refusal(data_parallel{0, 5}, single(), 4).code, errc::does_not_fit);
  EXPECT_EQ(picture(data_parallel{0, 2}, single(), 5), "0,1|2,3");
}

TEST(place, treats_replicas_of_a_fleet_alike_where_they_are) {
  auto const view = topology::all_devices(t::joined_hosts(40, 8));
  auto const work = t::one(t::preset("llama-3.1-70b"));
  auto const fleet = place(view, work, data_parallel{40}, even{}).value();
  ASSERT_EQ(fleet.models[0].replicas.size(), 40U);
  auto const alone = place(view.slice(0, 8), work, data_parallel{1}, even{}).value();
  for (std::size_t r = 0; r < 40; ++r) {
    auto const& stages = fleet.models[0].replicas[r].stages;
    ASSERT_EQ(stages.size(), 8U);
    for (std::size_t s = 0; s < 8; ++s) {
      EXPECT_EQ(stages[s].device.host, "node" + std::to_string(r));
      EXPECT_EQ(stages[s].units, alone.models[0].replicas[0].stages[s].units);
      EXPECT_EQ(stages[s].kv_pool_bytes, alone.models[0].replicas[0].stages[s].kv_pool_bytes);
    }
  }
  EXPECT_NEAR(fleet.predicted[0].tokens_per_second, 40 * alone.predicted[0].tokens_per_second, 1e-6 * 40);
}

TEST(place, sees_that_one_host_of_a_fleet_has_less_memory) {
  auto const whole = topology::all_devices(t::joined_hosts(4, 2));
  std::vector<bytes> limits(8, 40_GiB);
  limits[5] = 20_GiB;
  auto const made = place(whole.with_limits(limits), t::one(t::preset("qwen2.5-14b")), data_parallel{4}, sequential{}).value();
  auto const units = [&](std::size_t r) { return made.models[0].replicas[r].stages.back().units.size(); };
  for (auto const& d : made.devices) EXPECT_LE(d.used_bytes, d.capacity_bytes);
  EXPECT_EQ(units(0), units(1));
  auto const map = manual{{.modules = {{"", {{{device_kind::cuda, 1, {}}, mapped_device::form::number}}}}}};
  auto const by_name = place(t::gpus(4, 40_GiB), t::one(t::small_model(4)), data_parallel{2}, map).value();
  EXPECT_EQ(by_name.models[0].replicas[0].stages[0].device.index, 1);
  EXPECT_EQ(by_name.models[0].replicas[1].stages[0].device.index, 3) << "by position where the group has none of the map's devices";
}
