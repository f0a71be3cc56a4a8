#include <gpuplace/placement/validate.hpp>

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/explain.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/placement/place.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
struct case_of_two {
  std::vector<model_description> models{t::small_model(24), t::small_model(24, 512)};
  device_group view = t::gpus(8, 24_GiB);
  plan made = place(view, t::pair(models[0], models[1]), ratio{6, 2}, even{}).value();
  errc code() const { return validate(made, models, view).error().code; }
};
}  // namespace

TEST(validate, accepts_what_place_made) {
  case_of_two c;
  EXPECT_TRUE(validate(c.made, c.models, c.view).has_value());
}

TEST(validate, finds_a_device_that_is_not_here) {
  case_of_two c;
  c.view = t::gpus(4, 24_GiB);
  EXPECT_EQ(c.code(), errc::not_found);
}

TEST(validate, finds_a_device_that_is_too_small) {
  case_of_two c;
  c.view = t::gpus(8, 64_MiB);
  EXPECT_EQ(c.code(), errc::does_not_fit);
}

TEST(validate, finds_another_model) {
  case_of_two c;
  std::swap(c.models[0], c.models[1]);
  EXPECT_EQ(c.code(), errc::mismatch);
  c.models.pop_back();
  EXPECT_EQ(c.code(), errc::invalid_argument);
}

TEST(validate, finds_units_out_of_order_missing_or_twice) {
  for (int damage = 0; damage < 4; ++damage) {
    case_of_two c;
    auto& stages = c.made.models[0].replicas[0].stages;
    if (damage == 0) std::swap(stages[0].units[1], stages[0].units[2]);
    if (damage == 1) stages.back().units.pop_back();
    if (damage == 2) stages[1].units.push_back(stages[1].units.back());
    if (damage == 3) stages[2].units.clear();
    EXPECT_EQ(c.code(), errc::invalid_argument) << damage;
  }
}

TEST(explain, names_stages_hops_and_the_room_left) {
  case_of_two c;
  auto const text = explain(c.made, c.models, c.view).value();
  EXPECT_NE(text.find("then NV18 to cuda:1"), std::string::npos) << text;
  EXPECT_NE(text.find("(slowest stage)"), std::string::npos);
  EXPECT_NE(text.find("memory binds first on cuda:"), std::string::npos);
}
