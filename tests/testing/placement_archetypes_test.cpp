#include <gpuplace/testing/placement_archetypes.hpp>

#include <gtest/gtest.h>

#include <type_traits>

using namespace gpuplace;
using namespace gpuplace::literals;
using gpuplace::testing::archetype_allocation;
using gpuplace::testing::archetype_partition;

namespace {

using propositions = result<std::vector<candidate>>;

struct allocation_without_name {
  propositions propose(workload const&, device_group const&) const;
};
struct allocation_with_number_as_name {
  static constexpr int name = 3;
  propositions propose(workload const&, device_group const&) const;
};
struct allocation_that_changes {
  static constexpr std::string_view name = "changes";
  propositions propose(workload const&, device_group const&);
};
struct allocation_without_errors {
  static constexpr std::string_view name = "without_errors";
  std::vector<candidate> propose(workload const&, device_group const&) const;
};
struct allocation_of_one_candidate {
  static constexpr std::string_view name = "one_candidate";
  result<candidate> propose(workload const&, device_group const&) const;
};
struct allocation_that_edits_the_workload {
  static constexpr std::string_view name = "edits";
  propositions propose(workload&, device_group const&) const;
};
struct allocation_that_cannot_be_copied {
  static constexpr std::string_view name = "uncopied";
  allocation_that_cannot_be_copied(allocation_that_cannot_be_copied&&) = default;
  propositions propose(workload const&, device_group const&) const;
};
static_assert(allocation_strategy<archetype_allocation> && !std::is_default_constructible_v<archetype_allocation>);
static_assert(!allocation_strategy<allocation_without_name> && !allocation_strategy<allocation_with_number_as_name>);
static_assert(!allocation_strategy<allocation_that_changes> && !allocation_strategy<allocation_without_errors>);
static_assert(!allocation_strategy<allocation_of_one_candidate> && !allocation_strategy<allocation_that_edits_the_workload>);
static_assert(!allocation_strategy<allocation_that_cannot_be_copied> && !allocation_strategy<archetype_partition> &&
              !allocation_strategy<int>);

struct partition_without_name {
  result<stages> partition(std::span<unit const>, device_group const&, demand const&) const;
};
struct partition_that_changes {
  static constexpr std::string_view name = "changes";
  result<stages> partition(std::span<unit const>, device_group const&, demand const&);
};
struct partition_without_errors {
  static constexpr std::string_view name = "without_errors";
  stages partition(std::span<unit const>, device_group const&, demand const&) const;
};
struct partition_that_ignores_demand {
  static constexpr std::string_view name = "ignores_demand";
  result<stages> partition(std::span<unit const>, device_group const&) const;
};
struct partition_that_edits_units {
  static constexpr std::string_view name = "edits";
  result<stages> partition(std::span<unit>, device_group const&, demand const&) const;
};
struct partition_that_cannot_be_copied {
  static constexpr std::string_view name = "uncopied";
  partition_that_cannot_be_copied(partition_that_cannot_be_copied&&) = default;
  result<stages> partition(std::span<unit const>, device_group const&, demand const&) const;
};
static_assert(partition_strategy<archetype_partition> && !std::is_default_constructible_v<archetype_partition>);
static_assert(!partition_strategy<partition_without_name> && !partition_strategy<partition_that_changes>);
static_assert(!partition_strategy<partition_without_errors> && !partition_strategy<partition_that_ignores_demand>);
static_assert(!partition_strategy<partition_that_edits_units> && !partition_strategy<partition_that_cannot_be_copied>);
static_assert(!partition_strategy<archetype_allocation>);

/// The optional part may be static or each object's own.
struct shared_head_for_all : partition_without_name {
  static constexpr std::string_view name = "shared_head";
  static constexpr tied_head head = tied_head::shared;
};
struct head_per_object : partition_without_name {
  static constexpr std::string_view name = "head_per_object";
  tied_head head = tied_head::copied;
};
static_assert(has_tied_head<shared_head_for_all> && has_tied_head<head_per_object>);
static_assert(tied_head_of(shared_head_for_all{}) == tied_head::shared);

}  // namespace

TEST(placement_archetypes, place_a_model) {
  auto const view = uniform_group(3, 80_GiB, {});
  workload work;
  work.models.resize(2);
  auto const proposed = archetype_allocation::make().propose(work, view).value();
  ASSERT_EQ(proposed.size(), 1U);
  ASSERT_EQ(proposed[0].models.size(), 2U);
  EXPECT_EQ(proposed[0].models[1][0].size(), 3U);
  std::vector<unit> const units(5);
  EXPECT_EQ(archetype_partition::make().partition(units, view, {}).value(), (stages{{.device = 0, .first = 0, .last = 5}}));
}

TEST(placement_archetypes, get_the_default_tied_head_and_objects_their_own) {
  EXPECT_EQ(tied_head_of(archetype_partition::make()), tied_head::copied);
  head_per_object p;
  p.head = tied_head::shared;
  EXPECT_EQ(tied_head_of(p), tied_head::shared);
}
