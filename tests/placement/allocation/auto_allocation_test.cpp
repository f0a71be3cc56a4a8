#include <gpuplace/placement/allocation/auto_allocation.hpp>

#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

std::vector<std::string> labels(workload const& work, std::size_t devices) {
  std::vector<std::string> all;
  auto const proposed = auto_allocation{}.propose(work, t::gpus(devices, 24_GiB)).value();
  for (auto const& c : proposed) all.push_back(c.label);
  return all;
}

std::vector<std::size_t> devices_of_replicas(plan const& p, std::size_t model = 0) {
  std::vector<std::size_t> counts;
  for (auto const& r : p.models[model].replicas) counts.push_back(r.stages.size());
  return counts;
}

}  // namespace

TEST(auto_allocation, is_a_list_of_the_others) {
  EXPECT_EQ(labels(t::one(t::small_model(8)), 1), (std::vector<std::string>{"one_group"}));
  EXPECT_EQ(labels(t::one(t::small_model(8)), 8),
            (std::vector<std::string>{"data_parallel(8)", "data_parallel(4)", "data_parallel(2)", "one_group", "same"}));
  EXPECT_EQ(labels(t::one(t::small_model(8)), 7),
            (std::vector<std::string>{"data_parallel(7)", "data_parallel(3)", "data_parallel(2)", "one_group", "same"}));
  EXPECT_EQ(labels(t::pair(t::small_model(8), t::small_model(4)), 4),
            (std::vector<std::string>{"data_parallel(4)", "data_parallel(2)", "ratio(3:1)", "ratio(2:2)", "ratio(1:3)", "one_group",
                                      "same"}));
  EXPECT_LT(labels(t::one(t::small_model(8)), 1024).size(), 16U);
  EXPECT_LT(labels(t::pair(t::small_model(8), t::small_model(8)), 1024).size(), 24U);
  EXPECT_TRUE(auto_allocation{}.propose(t::one(t::small_model(8)), device_group{}).has_error());
}

TEST(auto_allocation, every_proposal_is_one_that_the_named_strategy_makes) {
  auto const view = t::gpus(8, 24_GiB);
  auto const work = t::pair(t::small_model(8), t::small_model(4));
  auto const all = auto_allocation{}.propose(work, view).value();
  for (auto const& c : all) {
    ASSERT_EQ(c.models.size(), 2U) << c.label;
    for (auto const& groups : c.models)
      for (auto const& g : groups) EXPECT_FALSE(g.empty()) << c.label;
  }
}

TEST(auto_allocation, copies_what_fits_one_device_and_splits_what_does_not) {
  auto const view = t::gpus(8, 80_GiB);
  EXPECT_EQ(devices_of_replicas(place(view, t::one(t::preset("qwen2.5-7b")), auto_allocation{}, auto_partition{}).value()),
            (std::vector<std::size_t>(8, 1)));
  EXPECT_EQ(devices_of_replicas(place(view, t::one(t::preset("qwen2.5-72b")), auto_allocation{}, auto_partition{}).value()),
            (std::vector<std::size_t>(4, 2)));
  EXPECT_EQ(
      devices_of_replicas(place(t::gpus(8, 24_GiB), t::one(t::preset("qwen2.5-72b")), auto_allocation{}, auto_partition{}).value()),
      (std::vector<std::size_t>{8}));
}

TEST(auto_allocation, starts_no_more_replicas_than_there_are_requests) {
  auto const made =
      place(t::gpus(8, 80_GiB), t::one(t::preset("qwen2.5-7b"), {.requests = 1}), auto_allocation{}, auto_partition{}).value();
  EXPECT_EQ(devices_of_replicas(made), (std::vector<std::size_t>{1})) << "one device without hops";
}

TEST(auto_allocation, says_in_a_line_why) {
  auto const reason = [](device_group const& view, std::string_view model, demand load) {
    return place(view, t::one(t::preset(model), load), auto_allocation{}, auto_partition{}).value().notes;
  };
  auto const has = [](std::vector<std::string> const& notes, std::string_view words) {
    return std::ranges::any_of(notes, [&](std::string const& note) { return note.starts_with(words); });
  };
  EXPECT_TRUE(has(reason(t::gpus(1, 80_GiB), "qwen2.5-7b", {}),
                  "a single device: qwen2.5-7b in bf16 needs 14.6 GiB and a device has 80.0 GiB, and there is no second one"));
  EXPECT_TRUE(has(reason(t::gpus(8, 80_GiB), "qwen2.5-7b", {}),
                  "data parallel: qwen2.5-7b in bf16 needs 14.6 GiB and a device has 80.0 GiB, so each of 8 replicas"));
  EXPECT_TRUE(has(reason(t::gpus(8, 80_GiB), "qwen2.5-7b", {.requests = 1}), "a single device: "));
  EXPECT_TRUE(has(reason(t::gpus(8, 80_GiB), "qwen2.5-7b", {.requests = 3}), "data parallel: "));
  EXPECT_TRUE(
      has(reason(t::gpus(8, 80_GiB), "qwen2.5-72b", {}), "4 replicas, each split over 2 devices: qwen2.5-72b in bf16 needs"));
  EXPECT_TRUE(has(reason(t::gpus(8, 80_GiB), "qwen2.5-72b", {.requests = 1}), "one replica split over 2 devices: "));
}

TEST(auto_allocation, starts_a_replica_for_each_of_few_requests) {
  auto const view = t::gpus(8, 80_GiB);
  auto const three = place(view, t::one(t::preset("qwen2.5-7b"), {.requests = 3}), auto_allocation{}, auto_partition{}).value();
  EXPECT_EQ(devices_of_replicas(three), (std::vector<std::size_t>(3, 1)));
  auto const one = place(view, t::one(t::preset("qwen2.5-72b"), {.requests = 1}), auto_allocation{}, auto_partition{}).value();
  EXPECT_EQ(devices_of_replicas(one), (std::vector<std::size_t>{2}));
}

TEST(auto_allocation, of_a_large_fleet_proposes_what_memory_leaves) {
  for (std::size_t const devices : {65U, 128U, 1000U}) {
    auto const made =
        place(t::gpus(devices, 80_GiB), t::one(t::preset("qwen2.5-72b")), auto_allocation{}, auto_partition{}).value();
    EXPECT_EQ(devices_of_replicas(made), (std::vector<std::size_t>(devices / 2, 2)));
  }
  EXPECT_LE(labels(t::one(t::preset("qwen2.5-72b")), 1000).size(), 5U);
}

TEST(auto_allocation, gives_the_slower_of_two_independent_models_more_devices) {
  auto work = t::pair(t::preset("qwen2.5-72b", dtype::int4), t::preset("qwen2.5-7b"));
  work.how = coupling::independent;
  auto const made = place(t::gpus(2, 80_GiB), work, auto_allocation{}, auto_partition{}).value();
  std::vector<int> first, second;
  for (auto const& s : made.models[0].replicas[0].stages) first.push_back(s.device.index);
  for (auto const& s : made.models[1].replicas[0].stages) second.push_back(s.device.index);
  EXPECT_EQ(first, (std::vector<int>{0}));
  EXPECT_EQ(second, (std::vector<int>{1})) << "beside each other, not both on both";
}

TEST(auto_allocation, is_no_worse_than_any_of_its_list) {
  for (std::size_t devices : {1, 2, 4, 6}) {
    auto const view = t::gpus(devices, 24_GiB);
    for (auto const& work : {t::one(t::preset("qwen2.5-7b")), t::pair(t::preset("qwen3-8b"), t::preset("qwen3-1.7b"))}) {
      auto const best = place(view, work, auto_allocation{}, auto_partition{}).value();
      auto const rate = [&](plan const& p) {
        if (work.models.size() == 1) return p.predicted[0].tokens_per_second;
        return static_cast<double>(std::min(p.models[0].replicas.size(), p.models[1].replicas.size())) /
               (p.predicted[0].decode_step.count() + 4 * p.predicted[1].decode_step.count());
      };
      for (auto const& other :
           {place(view, work, one_group{}, auto_partition{}), place(view, work, data_parallel{}, auto_partition{}),
            place(view, work, same{}, auto_partition{}), place(view, work, ratio{1, 1}, auto_partition{})})
        EXPECT_TRUE(!other || rate(best) * (1 + 1e-12) >= rate(*other)) << devices;
    }
  }
}

TEST(auto_allocation, says_of_the_widest_candidate_why_nothing_fits) {
  auto const made = place(t::gpus(4, 24_GiB), t::one(t::preset("qwen2.5-72b")), auto_allocation{}, auto_partition{});
  ASSERT_TRUE(made.has_error());
  EXPECT_NE(made.error().what.find("under one_group"), std::string::npos) << made.error();
  EXPECT_NE(made.error().remedy.find("more device"), std::string::npos) << made.error();
}

TEST(auto_partition, is_whole_on_one_device_and_even_on_several) {
  auto const model = t::small_model(8);
  EXPECT_EQ(auto_partition{}.partition(model.units, t::gpus(1, 24_GiB), {}).value(),
            whole{}.partition(model.units, t::gpus(1, 24_GiB), {}).value());
  EXPECT_EQ(auto_partition{}.partition(model.units, t::gpus(3, 24_GiB), {}).value(),
            even{}.partition(model.units, t::gpus(3, 24_GiB), {}).value());
}
