#include <gpuplace/plan/dot.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

#include <string>

using namespace gpuplace;

namespace {

int count(std::string const& text, std::string const& part) {
  int found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST(plan_dot, has_a_box_a_device_and_an_arrow_a_hop) {
  auto p = plans::six_to_two();
  plans::add_device(p, plans::cuda(8), {});
  auto const text = to_dot(p);
  EXPECT_EQ(count(text, "subgraph cluster_device"), 9);
  EXPECT_EQ(count(text, " -> "), 5 + 1);
  EXPECT_EQ(count(text, "label=\"idle\""), 1);
  EXPECT_EQ(count(text, "layers 4-7"), 1);
  EXPECT_EQ(count(text, "{"), count(text, "}"));
}

TEST(plan_dot, hosts_are_boxes_of_their_own) {
  plan p;
  replica r;
  r.stages = {plans::layers(plans::cuda(0, "a"), 0, 11, 24), plans::layers(plans::cuda(0, "b"), 12, 23, 24)};
  p.models = {plans::model("model", "m", {r, r})};
  plans::add_device(p, plans::cuda(0, "a"), {});
  plans::add_device(p, plans::cuda(0, "b"), {});
  auto const text = to_dot(p);
  EXPECT_EQ(count(text, "subgraph cluster_host"), 2);
  EXPECT_EQ(count(text, "replica 1"), 2);
}

TEST(plan_dot, names_cannot_break_out_of_their_labels) {
  auto p = plans::copies(1);
  p.models[0].name = "<b>&\"\n>";
  p.devices[0].name = "]>;x";
  auto const text = to_dot(p);
  EXPECT_EQ(count(text, "&lt;b&gt;&amp;&quot; &gt;"), 1);
  EXPECT_EQ(count(text, "]&gt;;x"), 1);
}

TEST(plan_dot, draws_any_plan) {
  plans::random_plans random(9);
  for (int i = 0; i < 100; ++i) {
    auto const text = to_dot(random.next());
    EXPECT_EQ(count(text, "<TABLE"), count(text, "</TABLE>"));
  }
}

}  // namespace
