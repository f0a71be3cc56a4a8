#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/partition/optimal.hpp>
#include <gpuplace/testing/objective_archetype.hpp>

#include <gtest/gtest.h>

namespace {

using namespace gpuplace;
using gpuplace::testing::archetype_objective;

struct without_name {
  std::optional<found_split> solve(split_search& search) const;
  double bound(split_problem const&) const;
};
struct that_changes : without_name {
  static constexpr std::string_view name = "changes";
  std::optional<found_split> solve(split_search& search);
};
struct without_refusal : without_name {
  static constexpr std::string_view name = "certain";
  found_split solve(split_search& search) const;
};
struct without_bound {
  static constexpr std::string_view name = "boundless";
  std::optional<found_split> solve(split_search& search) const;
};
struct uncopied : without_name {
  static constexpr std::string_view name = "uncopied";
  uncopied(uncopied&&) = default;
};
static_assert(split_objective<archetype_objective> && !std::is_default_constructible_v<archetype_objective>);
static_assert(!split_objective<without_name> && !split_objective<that_changes> && !split_objective<without_refusal>);
static_assert(!split_objective<without_bound> && !split_objective<uncopied> && !split_objective<int>);

TEST(objective_archetype, splits_a_model) {
  auto const model = describe(preset_config("qwen2.5-7b").value(), dtype::bf16, "qwen2.5-7b", "test");
  optimal<archetype_objective> const strategy{archetype_objective::make()};
  auto const group = uniform_group(4, bytes{std::int64_t{9} << 30}, {.kind = path_kind::pix});
  auto const spans = strategy.partition(model.units, group, {});
  ASSERT_TRUE(spans) << spans.error();
  EXPECT_EQ(spans->size(), 2U);
}

}  // namespace
