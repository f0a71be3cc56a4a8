#include <gtest/gtest.h>

#include <cstdio>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/dot.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/read.hpp>
#include <string>

using namespace gpuplace;

namespace {

std::size_t times(std::string const& text, std::string const& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}
std::string picture(std::string const& source) { return topology::to_dot(topology::read(source).value()); }
std::string picture_of_paths(std::string const& source) {
  return topology::to_dot(
      topology::from_json(topology::to_json(topology::read(source).value(), topology::json_form::paths)).value());
}

}  // namespace

TEST(to_dot, numa_nodes_are_boxes_and_nvswitches_one_vertex) {
  auto const text = picture("preset:dgx-h100");
  EXPECT_EQ(times(text, "subgraph cluster_0"), 3u);  // the host and its two nodes
  EXPECT_EQ(times(text, "label=\"NVSwitch\""), 1u);
  EXPECT_EQ(times(text, "label=\"NV18\""), 8u);
  EXPECT_EQ(times(text, "style=bold"), 8u);
  EXPECT_EQ(times(text, "label=\"PCIe switch "), 8u);
}

TEST(to_dot, lists_of_paths_are_drawn_with_the_switches_that_make_them) {
  auto const switched = picture_of_paths("preset:dgx-h100");
  EXPECT_EQ(times(switched, "label=\"NV18\""), 8u);
  EXPECT_EQ(times(switched, "label=\"NVSwitch\""), 1u);
  auto const slots = picture_of_paths("preset:8xrtx3060");
  EXPECT_EQ(times(slots, " -- "), 10u);  // eight cards, two sockets
  EXPECT_EQ(times(slots, "label=SYS"), 2u);
  EXPECT_EQ(times(picture_of_paths("preset:4xa100"), "label=\"NV4\""), 6u);  // a mesh of four is drawn as it is
}

TEST(to_dot, a_large_mesh_is_drawn_as_a_hub) {
  auto const text = picture("preset:8xmi300x");
  EXPECT_EQ(times(text, "XGMI between every two"), 1u);
  EXPECT_EQ(times(text, "label=\"XGMI\""), 8u);
}

#ifdef GPUPLACE_DOT
TEST(to_dot, graphviz_reads_every_picture) {
  for (auto const* source :
       {"preset:dgx-h100", "preset:dgx1-v100", "preset:dgx2-v100", "preset:8xrtx3060", "preset:4xa100", "cpu:2",
        GPUPLACE_TEST_DATA "/topologies/8xh200-12nic.txt", GPUPLACE_TEST_DATA "/topologies/nccl/rccl-8p-90a.xml"}) {
    auto* const graphviz = ::popen(GPUPLACE_DOT " -Tcanon -o /dev/null", "w");
    ASSERT_NE(graphviz, nullptr);
    auto const text = picture(source);
    EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), graphviz), text.size());
    EXPECT_EQ(::pclose(graphviz), 0) << source;
  }
}
#endif
