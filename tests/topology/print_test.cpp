#include <gtest/gtest.h>

#include <algorithm>
#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/dot.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/print.hpp>
#include <gpuplace/topology/read.hpp>
#include <string>

using namespace gpuplace;

TEST(to_table, shows_devices_matrix_and_legend) {
  EXPECT_EQ(topology::to_table(topology::all_devices(topology::preset("2xh100").value())),
            "device  name                     memory  GB/s  TFLOP/s  numa\n"
            "cuda:0  NVIDIA H100 80GB HBM3  79.2 GiB  3350      989     0\n"
            "cuda:1  NVIDIA H100 80GB HBM3  79.2 GiB  3350      989     0\n"
            "\n"
            "        cuda:0  cuda:1\n"
            "cuda:0  X       NV18\n"
            "cuda:1  NV18    X\n"
            "\n"
            "NV18  371 GB/s  11.5 us\n");
}

TEST(to_table, says_what_is_staged_assumed_and_apart) {
  topology::graph g;
  auto const& model = *topology::find_gpu_model("rtx3060");
  auto noted = topology::make_gpu(model, 0);
  noted.note = "card guessed";
  noted.free = 1_GiB;
  auto const a = g.add(noted), b = g.add(topology::make_gpu(model, 1));
  g.add(topology::make_gpu(model, 2));
  g.connect(a, b, topology::default_link(path_kind::sys, model));
  auto const text = topology::to_table(topology::all_devices(g));
  for (auto const* part : {"through host memory", "note: card guessed", "no way", "free", "1.0 GiB"})
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
}

TEST(to_table, leaves_the_matrix_out_of_large_groups) {
  auto const text = topology::to_table(topology::all_devices(topology::uniform("33x1GiB").value()));
  EXPECT_EQ(std::ranges::count(text, '\n'), 34);
}

TEST(to_table, says_of_a_fleet_what_its_hosts_have) {
  auto const g = topology::read_text("network 25GB/s 2us leaf=20\nnode[0-38] preset:dgx-h100\nold preset:2xv100\n").value();
  auto const text = topology::to_table(topology::all_devices(g));
  EXPECT_LT(std::ranges::count(text, '\n'), 16);
  EXPECT_TRUE(text.starts_with("314 devices, hosts: 40\n")) << text;
  for (auto const* part : {"node0 to node38", "NVIDIA H100 80GB HBM3", "Tesla V100", "from node0/cuda:0 to", "NV18", "25.0 GB/s"})
    EXPECT_NE(text.find(part), std::string::npos) << part << text;
}

TEST(to_dot, draws_every_vertex_once_and_hosts_as_clusters) {
  auto const g = gpuplace::testing::two_hosts(2);
  auto const text = topology::to_dot(g);
  for (std::size_t v = 0; v < num_vertices(g); ++v) {
    auto const name = "    v" + std::to_string(v) + " [";
    EXPECT_NE(text.find(name), std::string::npos);
    EXPECT_EQ(text.find(name), text.rfind(name));
  }
  EXPECT_NE(text.find("label=\"node1\""), std::string::npos);
  EXPECT_EQ(std::ranges::count(text, '{'), std::ranges::count(text, '}'));
  EXPECT_TRUE(text.starts_with("graph topology {"));
}

TEST(to_dot, names_cannot_break_the_picture) {
  topology::graph g;
  device d;
  d.name = "a \"card\" \\ with {odd} name";
  g.add(d);
  EXPECT_NE(topology::to_dot(g).find("a \\\"card\\\" \\\\ with"), std::string::npos);
}
