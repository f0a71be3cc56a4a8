#include <gpuplace/plugin/registries.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace gpuplace;
using namespace gpuplace::literals;

namespace {

struct on_last {
  static constexpr std::string_view name = "on_last";
  std::size_t shift = 0;
  result<stages> partition(std::span<unit const> units, device_group const& group, demand const&) const {
    return stages{{.device = group.size() - 1 - shift, .first = 0, .last = units.size()}};
  }
};

result<any_partition> make_on_last(spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  GPUPLACE_TRY(auto const shift, asked.integer(0, 0, 9));
  return any_partition(on_last{static_cast<std::size_t>(shift)});
}

template <class Any>
std::vector<std::string> names(registry<Any> const& known) {
  std::vector<std::string> all;
  for (auto const& e : known.entries()) all.push_back(e.name);
  return all;
}

workload two_models() {
  workload work;
  work.models.resize(2);
  return work;
}

}  // namespace

TEST(registry, makes_a_users_strategy_from_its_spec) {
  auto known = builtin_partitions();
  ASSERT_TRUE(known.add("on_last", "on_last(N)", "the last device but N", make_on_last));
  auto const made = known.make("on_last( 2 )");
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->name, "on_last");
  EXPECT_EQ(made->label, "on_last(2)");
  EXPECT_EQ(made->partition({}, uniform_group(8, 1_GiB, {}), {}).value()[0].device, 5U);
}

TEST(registry, says_how_to_write_a_spec_whose_arguments_are_refused) {
  auto known = builtin_partitions();
  ASSERT_TRUE(known.add("on_last", "on_last(N)", "the last device but N", make_on_last));
  EXPECT_EQ(known.make("on_last(x)").error().message(),
            "on_last(x), argument 1: 'x' is not a whole number\n  write on_last(N): the last device but N");
  EXPECT_EQ(known.make("on_last").error().what, "is missing");
  EXPECT_EQ(known.make("on_last(").error().code, errc::invalid_argument);
}

TEST(registry, refuses_a_name_that_is_taken_or_cannot_be_written) {
  registry<any_partition> known("partition");
  ASSERT_TRUE(known.add("on_last", "on_last(N)", "", make_on_last));
  EXPECT_EQ(known.add("on_last", "", "", make_on_last).error().what, "partition 'on_last' is registered already");
  for (auto const* name : {"", "a b", "a(b)", "1st", " a", "a,b"})
    EXPECT_TRUE(known.add(name, "", "", make_on_last).has_error()) << name;
  EXPECT_TRUE(known.add("empty", "", "", {}).has_error());
  EXPECT_EQ(known.entries().size(), 1U);
}

TEST(registry, lists_all_names_and_suggests_the_nearest) {
  auto const allocations = builtin_allocations();
  auto const e = allocations.make("dataparallel(4)").error();
  EXPECT_EQ(e.code, errc::not_found);
  EXPECT_EQ(e.what, "there is no allocation 'dataparallel'");
  EXPECT_EQ(e.remedy.substr(0, e.remedy.find('\n')), "did you mean 'data_parallel'? known are:");
  for (auto const& known : allocations.entries()) {
    EXPECT_NE(e.remedy.find("  " + known.usage), std::string::npos);
    EXPECT_NE(e.remedy.find(known.description), std::string::npos);
  }
  EXPECT_EQ(allocations.make("elsewhere").error().remedy.find("did you mean"), std::string::npos);
  EXPECT_EQ(registry<any_backend>("backend").make("torch").error().remedy, "none is registered");
}

TEST(registry, keeps_the_library_of_a_factory_and_of_what_it_made) {
  auto library = std::make_shared<int>(0);
  std::weak_ptr<int> const loaded = library;
  {
    auto known = std::make_unique<registry<any_partition>>("partition");
    ASSERT_TRUE(known->add("on_last", "on_last(N)", "", make_on_last, std::move(library)));
    auto const made = known->make("on_last(1)").value();
    known.reset();
    EXPECT_FALSE(loaded.expired());
  }
  EXPECT_TRUE(loaded.expired());
}

TEST(edit_distance, is_a_metric_on_known_pairs) {
  using detail::edit_distance;
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("even", "even"), 0U);
  std::vector<std::string> const words{"", "a", "even", "evne", "whole", "ratio", "data_parallel", "ratoi"};
  for (auto const& a : words)
    for (auto const& b : words) {
      EXPECT_EQ(edit_distance(a, b), edit_distance(b, a));
      EXPECT_EQ(edit_distance(a, b) == 0, a == b);
      for (auto const& c : words) EXPECT_LE(edit_distance(a, c), edit_distance(a, b) + edit_distance(b, c));
    }
}

TEST(builtin, has_every_strategy_by_its_own_name) {
  registries const all;
  EXPECT_EQ(names(all.allocations),
            (std::vector<std::string>{"auto", "data_parallel", "one_group", "ratio", "separate", "same", "lora_groups"}));
  EXPECT_EQ(names(all.partitions),
            (std::vector<std::string>{"auto", "whole", "even", "sequential", "balanced", "balanced_low_0", "optimal", "manual"}));
  EXPECT_EQ(names(all.routings), (std::vector<std::string>{"contiguous_shards", "round_robin", "least_loaded"}));
  EXPECT_TRUE(all.backends.entries().empty());
  for (auto const& e : all.partitions.entries())
    EXPECT_EQ(all.partitions.make(e.name == "manual" ? "manual(cuda:0)" : e.name).value().name, e.name);
  for (auto const& e : all.routings.entries()) EXPECT_EQ(all.routings.make(e.name).value().name, e.name);
  EXPECT_EQ(all.allocations.make("ratio(6:2)").value().name, "ratio");
}

TEST(builtin, partitions_read_their_words) {
  auto const known = builtin_partitions();
  for (auto const* good : {"balanced(reorder)", "balanced_low_0(reorder)", "optimal(latency)", "optimal(throughput)",
                           "optimal(balance_memory)", "optimal(fewest_devices)"})
    EXPECT_TRUE(known.make(good)) << good;
  for (auto const* bad : {"balanced(sideways)", "optimal(speed)", "optimal(latency, throughput)", "even(reorder)"}) {
    auto const refused = known.make(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_FALSE(refused.error().remedy.empty()) << bad;
  }
  EXPECT_EQ(known.make("balanced").value().head, tied_head::shared);
  EXPECT_EQ(known.make("optimal").value().head, tied_head::copied);
}

TEST(builtin, hands_arguments_on) {
  auto const known = builtin_allocations();
  auto const view = uniform_group(8, 80_GiB, {});
  auto const split = known.make("ratio(6:2)").value().propose(two_models(), view).value();
  EXPECT_EQ(split[0].models[0][0].size(), 6U);
  EXPECT_EQ(split[0].models[1][0].size(), 2U);
  EXPECT_EQ(known.make("data_parallel(4)").value().propose(two_models(), view).value()[0].models[0].size(), 4U);
  EXPECT_EQ(known.make("data_parallel").value().propose(two_models(), view).value()[0].models[0].size(), 8U);
}

TEST(builtin, reads_adapters_and_replicas_of_few_devices) {
  auto const known = builtin_allocations();
  auto const view = uniform_group(8, 80_GiB, {});
  workload work;
  work.models.resize(1);
  auto const pairs = known.make("data_parallel(3,devices=2)").value().propose(work, view).value();
  EXPECT_EQ(pairs[0].models[0].size(), 3U);
  EXPECT_EQ(pairs[0].models[0][2][1].id.index, 5);
  auto const adapters = known.make("lora_groups(sql*3:chat, instances=4, slots=1)").value().propose(work, view).value();
  EXPECT_EQ(adapters[0].models[0].size(), 4U);
  EXPECT_EQ(adapters[0].serves[0].size(), 4U);
  auto const map = R"x(lora_groups("{'instances': 2, 'adapters': {'sql': {'load': 2, 'rank': 8}}}"))x";
  EXPECT_EQ(known.make(map).value().propose(work, view).value()[0].models[0].size(), 2U);
  for (auto const* bad : {"lora_groups", "lora_groups(sql*x)", "lora_groups(sql, slots=0)", R"x(lora_groups("{'speed': 3}"))x",
                          "data_parallel(2,devices=0)"})
    EXPECT_EQ(known.make(bad).error().code, errc::invalid_argument) << bad;
}

TEST(builtin, refuses_arguments_that_make_no_sense) {
  auto const allocations = builtin_allocations();
  for (auto const* text :
       {"data_parallel(0)", "data_parallel(-1)", "data_parallel(x)", "data_parallel(1,2)", "data_parallel(n=4)", "ratio", "ratio()",
        "ratio(6)extra", "ratio(6:0)", "ratio(6,2)", "ratio(6:)", "one_group(2)", "same(x)", "data_parallel(99999999999)"}) {
    auto const made = allocations.make(text);
    ASSERT_TRUE(made.has_error()) << text;
    EXPECT_EQ(made.error().code, errc::invalid_argument) << text;
    EXPECT_FALSE(made.error().remedy.empty()) << text;
  }
  EXPECT_TRUE(builtin_partitions().make("even(3)").has_error());
  EXPECT_TRUE(builtin_routings().make("round_robin(3)").has_error());
}
