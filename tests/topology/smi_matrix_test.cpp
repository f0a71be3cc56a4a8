#include <gtest/gtest.h>

#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/read.hpp>
#include <string>

using namespace gpuplace;

namespace {

std::string file(char const* name) { return std::string(GPUPLACE_TEST_DATA "/topologies/") + name; }
device_group group(std::string const& source) { return topology::all_devices(topology::read(source).value()); }
error refusal(std::string_view text) {
  auto const got = topology::read_smi_matrix(text, {nullptr, "m.txt"});
  return got ? error{errc::cancelled, "it was read", {}, {}} : got.error();
}

}  // namespace

TEST(smi_matrix, reads_two_h200s_with_escape_codes) {
  auto const g = group(file("2xh200-nvlink.txt") + "@h200");
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].name, "NVIDIA H200");
  EXPECT_EQ(g[1].numa, 0);
  EXPECT_EQ(g[0].note, "");
  EXPECT_EQ(g.path(0, 1).label(), "NV18");
  EXPECT_NEAR(g.path(0, 1).bandwidth.value(), 370.8, 1e-9);
}

TEST(smi_matrix, reads_a_machine_without_numa_column) {
  auto const g = group(file("8x-pcie-two-sockets.txt"));
  ASSERT_EQ(g.size(), 8u);
  EXPECT_EQ(g[0].numa, -1);
  EXPECT_EQ(g.path(0, 1).label(), "PIX");
  EXPECT_EQ(g.path(1, 2).label(), "PHB");
  EXPECT_EQ(g.path(1, 6).label(), "SYS");
}

TEST(smi_matrix, network_cards_are_vertices_and_no_way_between_gpus) {
  auto const g = topology::read(file("8xh200-12nic.txt")).value();
  EXPECT_EQ(g.devices().size(), 8u);
  std::size_t cards = 0, switches = 0;
  for (std::size_t v = 0; v < num_vertices(g); ++v) {
    cards += g[v].kind == topology::vertex_kind::nic;
    switches += g[v].kind == topology::vertex_kind::nvswitch;
    if (g[v].kind == topology::vertex_kind::nic) {
      EXPECT_EQ(out_degree(v, g), 1u);
    }
  }
  EXPECT_EQ(cards, 12u);
  EXPECT_EQ(switches, 1u);
  EXPECT_EQ(topology::all_devices(g).path(0, 7).label(), "NV18");
}

TEST(smi_matrix, equals_the_preset_made_after_it) {
  auto const read = group(file("8xv100-sxm2-dgx1.txt") + "@v100");
  auto const preset = topology::all_devices(topology::preset("dgx1-v100").value());
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(read[i].numa, preset[i].numa);
    for (std::size_t j = 0; j < 8; ++j) {
      EXPECT_EQ(read.path(i, j).label(), preset.path(i, j).label()) << i << ' ' << j;
      EXPECT_EQ(read.path(i, j).bandwidth, preset.path(i, j).bandwidth) << i << ' ' << j;
    }
  }
}

TEST(smi_matrix, a_card_that_is_not_named_is_guessed_and_the_note_says_so) {
  EXPECT_EQ(group(file("8xh200-12nic.txt"))[0].name, topology::find_gpu_model("h100")->name);
  EXPECT_EQ(group(file("8xv100-sxm2-dgx1.txt"))[0].name, topology::find_gpu_model("v100")->name);
  EXPECT_EQ(group(file("8x-pcie-two-sockets.txt"))[0].capacity, 12_GiB);
  EXPECT_NE(group(file("8x-pcie-two-sockets.txt"))[0].note, "");
}

TEST(smi_matrix, reads_text_that_lost_its_tabs_and_old_names) {
  auto const g = topology::read_smi_matrix(
      "        GPU0    GPU1    mlx5_0  CPU Affinity\r\n"
      "GPU0     X      SOC     PHB     0-7\r\n"
      "GPU1    SOC      X      SOC     8-15\r\n"
      "mlx5_0  PHB     SOC      X\r\n");
  ASSERT_TRUE(g) << g.error();
  EXPECT_EQ(topology::all_devices(*g).path(0, 1).label(), "SYS");
}

TEST(smi_matrix, one_gpu_is_a_matrix_too) {
  EXPECT_EQ(topology::read_smi_matrix("\tGPU0\tCPU Affinity\nGPU0\t X \t0-7\n")->devices().size(), 1u);
}

TEST(smi_matrix, a_damaged_cell_is_named_by_row_and_column) {
  auto const unknown = refusal("\tGPU0\tGPU1\nGPU0\t X \tN?8\nGPU1\tNV18\t X \n");
  EXPECT_EQ(unknown.where, "m.txt:2");
  EXPECT_NE(unknown.what.find("row GPU0, column GPU1"), std::string::npos) << unknown;
  auto const asymmetric = refusal("\tGPU0\tGPU1\nGPU0\t X \tNV18\nGPU1\tNV12\t X \n");
  EXPECT_EQ(asymmetric.where, "m.txt:3");
  EXPECT_NE(asymmetric.what.find("row GPU1, column GPU0"), std::string::npos) << asymmetric;
  EXPECT_NE(refusal("\tGPU0\tGPU1\nGPU0\t X \tPIX\nGPU1\tPIX\n").what.find("row GPU1, column GPU1 is missing"), std::string::npos);
  EXPECT_NE(refusal("\tGPU0\tGPU1\nGPU0\tPIX\tPIX\nGPU1\tPIX\t X \n").what.find("row GPU0, column GPU0"), std::string::npos);
  EXPECT_NE(refusal("\tGPU0\tGPU1\nGPU0\t X \tX\nGPU1\tX\t X \n").what.find("row GPU0, column GPU1"), std::string::npos);
}

TEST(smi_matrix, a_missing_row_is_an_error) {
  EXPECT_NE(refusal("\tGPU0\tGPU1\nGPU0\t X \tPIX\n").what.find("the row of GPU1 is missing"), std::string::npos);
  EXPECT_NE(refusal("\tGPU0\tGPU1\nGPU1\tPIX\t X \nGPU0\t X \tPIX\n").what.find("the row of GPU0 is missing"), std::string::npos);
  EXPECT_EQ(refusal("no matrix at all").code, errc::malformed);
  EXPECT_EQ(refusal("").code, errc::malformed);
}

TEST(smi_matrix, any_prefix_of_a_real_file_is_read_or_refused) {
  std::ifstream in(file("8xh200-12nic.txt"));
  std::string const text(std::istreambuf_iterator<char>(in), {});
  int read = 0;
  for (std::size_t n = 0; n < text.size(); n += 7) read += topology::read_text(std::string_view(text).substr(0, n)).has_value();
  EXPECT_GT(read, 0);
}

TEST(smi_matrix, what_pages_and_terminals_do_to_it_does_not_matter) {
  for (auto const* text :
       {"GPU0 GPU1 mlx5_0 CPU Affinity NUMA Affinity\nGPU0 X SOC PHB 0-7 0\nGPU1 SOC X SOC 8-15 1\nmlx5_0 PHB SOC X\n",
        "$ nvidia-smi topo -m\r\n\t\x1b[4mGPU0\tGPU1\tmlx5_0\tCPU Affinity\tNUMA Affinity\x1b[0m\r\nGPU0\t X \tSYS\tPHB\t0-7\t0\r\n"
        "GPU1\tSYS\t X \tSYS\t8-15\t1\r\nmlx5_0\tPHB\tSYS\t X \t\t\r\n\r\nLegend:\r\n",
        "\tGPU0\tGPU1\tmlx5_0\tCPU Affinity\tNUMA Affinity\n\nGPU0 \t X\tSYS \t PHB\t0-7\t0\nGPU1\tSYS\t\t X \tSYS\t8-15\t1\n"
        "mlx5_0\tPHB\tSYS\tX\n",
        "| | GPU0 | GPU1 | mlx5_0 | CPU Affinity | NUMA Affinity |\n|---|---|---|---|---|---|\n| GPU0 | X | SYS | PHB | 0-7 | 0 |\n"
        "| GPU1 | SYS | X | SYS | 8-15 | 1 |\n| mlx5_0 | PHB | SYS | X | | |\n",
        "\xef\xbb\xbf\x1b(B        GPU0  GPU1  mlx5_0  CPU Affinity  NUMA Affinity\nGPU0\xc2\xa0\xc2\xa0 X  SYS  PHB  0-7  0\n"
        "GPU1  SYS  X  SYS  8-15  1\nmlx5_0  PHB  SYS  X\n"}) {
    auto const g = topology::read_text(text);
    ASSERT_TRUE(g) << text << g.error();
    ASSERT_EQ(g->devices().size(), 2u) << text;
    EXPECT_EQ(topology::all_devices(*g).path(0, 1).label(), "SYS") << text;
    EXPECT_EQ(g->devices()[1].numa, 1) << text;
  }
}

TEST(smi_matrix, a_header_that_was_not_copied_is_known_from_the_rows) {
  auto const g = topology::read_text("GPU0\t X \tNV18\tPIX\t0-31\nGPU1\tNV18\t X \tSYS\t0-31\nNIC0\tPIX\tSYS\t X \t\n");
  ASSERT_TRUE(g) << g.error();
  EXPECT_EQ(g->devices().size(), 2u);
  EXPECT_EQ(topology::all_devices(*g).path(0, 1).label(), "NV18");
}

TEST(smi_matrix, cells_make_the_tree_of_switches_and_nodes) {
  auto const g = topology::read(file("8x-pcie-two-sockets.txt")).value();
  std::size_t switches = 0, nodes = 0, hosts = 0;
  for (std::size_t v = 0; v < num_vertices(g); ++v) {
    switches += g[v].kind == topology::vertex_kind::pcie_switch;
    nodes += g[v].kind == topology::vertex_kind::numa_node;
    hosts += g[v].kind == topology::vertex_kind::host;
  }
  EXPECT_EQ(switches, 4u);
  EXPECT_EQ(nodes, 2u);
  EXPECT_EQ(hosts, 1u);
}

TEST(smi_matrix, cells_that_make_no_tree_are_links_of_pairs) {
  auto const g = topology::read_smi_matrix("\tGPU0\tGPU1\tGPU2\nGPU0\tX\tPIX\tSYS\nGPU1\tPIX\tX\tPIX\nGPU2\tSYS\tPIX\tX\n");
  ASSERT_TRUE(g) << g.error();
  EXPECT_EQ(topology::all_devices(*g).path(0, 2).label(), "SYS");
  EXPECT_EQ(topology::all_devices(*g).path(1, 2).label(), "PIX");
}

TEST(smi_matrix, a_cell_lost_between_tabs_is_named) {
  auto const lost = refusal("\tGPU0\tGPU1\tGPU2\nGPU0\t X \t\tSYS\nGPU1\tPIX\t X \tSYS\nGPU2\tSYS\tSYS\t X \n");
  EXPECT_EQ(lost.where, "m.txt:2");
  EXPECT_NE(lost.what.find("row GPU0, column GPU1 is missing"), std::string::npos) << lost;
}
