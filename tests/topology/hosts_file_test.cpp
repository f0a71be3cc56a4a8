#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/hosts_file.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>
#include <string>

using namespace gpuplace;

namespace {

topology::graph fleet(std::string_view text) { return topology::read_text(text, {.name = "fleet.hosts"}).value(); }
error refusal(std::string_view text) {
  auto const got = topology::read_text(text, {.name = "fleet.hosts"});
  return got ? error{errc::cancelled, "it was read", {}, {}} : got.error();
}
std::vector<std::string> ids(device_group const& g) {
  std::vector<std::string> made;
  for (auto const& d : g) made.push_back(to_string(d.id));
  return made;
}

}  // namespace

TEST(hosts_file, each_host_is_a_copy_of_its_machine) {
  auto const g = topology::all_devices(fleet("# two kinds\nnode[0-1] preset:2xh200\n\nold preset:2xv100  # the last\n"));
  EXPECT_EQ(ids(g),
            (std::vector<std::string>{"node0/cuda:0", "node0/cuda:1", "node1/cuda:0", "node1/cuda:1", "old/cuda:0", "old/cuda:1"}));
  EXPECT_EQ(g[4].name, "Tesla V100-SXM2-16GB");
  EXPECT_EQ(g.path(0, 1).label(), "NV18");
  EXPECT_EQ(g.path(4, 5), topology::all_devices(topology::preset("2xv100").value()).path(0, 1));
  EXPECT_EQ(g.path(1, 2).label(), "NET");
  EXPECT_DOUBLE_EQ(g.path(1, 2).bandwidth.value(), 48);  // a card beside PCIe generation 5, behind its slot
  EXPECT_DOUBLE_EQ(g.path(1, 5).bandwidth.value(), 12);  // the V100's slot
}

TEST(hosts_file, the_network_is_what_its_line_says) {
  auto const one = topology::all_devices(fleet("network 100Gb/s 5us\nnode[0-1] preset:dgx-h100"));
  EXPECT_DOUBLE_EQ(one.path(0, 8).bandwidth.value(), 12.5);
  auto const slow = topology::all_devices(fleet("network 100Gb/s 9us\nnode[0-1] preset:dgx-h100"));
  EXPECT_NEAR((slow.path(0, 8).latency - one.path(0, 8).latency).count(), 4, 1e-9);
  auto const leaves = topology::all_devices(fleet("network 40GB/s leaf=2 oversubscription=4\nnode[0-3] preset:dgx-h100"));
  EXPECT_DOUBLE_EQ(leaves.path(0, 8).bandwidth.value(), 40);
  EXPECT_DOUBLE_EQ(leaves.path(0, 16).bandwidth.value(), 10);
  EXPECT_GT(leaves.path(0, 16).latency, leaves.path(0, 8).latency);
}

TEST(hosts_file, cards_of_one_rail_are_nearer_than_cards_of_two) {
  auto const g = topology::all_devices(fleet("network 40GB/s 2us rails=8 leaf=2\nnode[0-3] preset:dgx-h100"));
  EXPECT_LT(g.path(3, 8 + 3).latency, g.path(3, 8 + 4).latency);
  EXPECT_EQ(g.path(3, 8 + 4).label(), "NET");
}

TEST(hosts_file, files_are_looked_up_beside_it) {
  auto const folder = std::filesystem::temp_directory_path() / "gpuplace_hosts_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "old.json") << topology::to_json(topology::preset("4xa100").value()).dump();
  std::filesystem::copy_file(GPUPLACE_TEST_DATA "/topologies/2xh200-nvlink.txt", folder / "smi.txt",
                             std::filesystem::copy_options::overwrite_existing);
  std::ofstream(folder / "fleet.hosts") << "a old.json\nb[0-1] ./smi.txt@h200\n";
  std::ofstream(folder / "nested.hosts") << "a fleet.hosts\n";
  auto const g = topology::read((folder / "fleet.hosts").string());
  auto const nested = topology::read((folder / "nested.hosts").string());
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(g) << g.error();
  EXPECT_EQ(g->devices().size(), 8u);
  EXPECT_EQ(to_string(g->devices()[7].id), "b1/cuda:1");
  EXPECT_EQ(g->devices()[7].name, "NVIDIA H200");
  ASSERT_TRUE(nested.has_error());
  EXPECT_NE(nested.error().where.find("nested.hosts:1"), std::string::npos) << nested.error();
}

TEST(hosts_file, a_host_without_network_card_gets_one_and_a_note) {
  auto const g = fleet("n[0-1] preset:8xrtx3060");
  ASSERT_EQ(g.notes.size(), 1u);
  EXPECT_NE(g.notes[0].find("n[0-1]"), std::string::npos);
  EXPECT_EQ(topology::all_devices(g).path(0, 15).label(), "NET");
}

TEST(hosts_file, errors_name_file_and_line) {
  struct wrong {
    char const *text, *where, *what;
  };
  for (auto const& [text, where, what] :
       std::initializer_list<wrong>{{"node0 preset:dgx-9000", "fleet.hosts:1", "dgx-9000"},
                                    {"\n\nnode0 preset:dgx-h100\nnode[0-1] preset:2xh100", "fleet.hosts:4", "first in line 3"},
                                    {"node0 preset:dgx-h100 8", "fleet.hosts:1", "3 words"},
                                    {"node0 preset:dgx-h100\nnode1", "fleet.hosts:2", "1 words"},
                                    {"node[0- preset:dgx-h100", "fleet.hosts:1", "lacks a ]"},
                                    {"network 50\nnode0 preset:dgx-h100", "fleet.hosts:1", "'50'"},
                                    {"network 50GB/s\nnetwork 2us\nnode0 preset:dgx-h100", "fleet.hosts:2", "second network"},
                                    {"network -1GB/s\nn preset:dgx-h100", "fleet.hosts:1", "'-1GB/s'"},
                                    {"network leaf=0\nn preset:dgx-h100", "fleet.hosts:1", "'leaf=0'"},
                                    {"network rails=1.5\nn preset:dgx-h100", "fleet.hosts:1", "'rails=1.5'"},
                                    {"network oversubscription=0.5\nn preset:dgx-h100", "fleet.hosts:1", "'oversubscription=0.5'"},
                                    {"network 50GB/s", "fleet.hosts", "no host"},
                                    {"n[0-999999] preset:dgx-h100", "fleet.hosts:1", "more than 1000000 devices"},
                                    {"n ./no/such/file.xml", "fleet.hosts:1", "no/such/file.xml"},
                                    {"a preset:2xh100\nn live", "fleet.hosts:2", "live"},
                                    {"n[1-2] ./x.txt@voodoo2", "fleet.hosts:1", "voodoo2"}}) {
    auto const got = refusal(text);
    EXPECT_TRUE(got.where.starts_with(where)) << got;
    EXPECT_NE(got.what.find(what), std::string::npos) << got;
    EXPECT_FALSE(got.remedy.empty()) << text;
  }
}

TEST(hosts_file, other_texts_are_not_taken_for_one) {
  EXPECT_TRUE(topology::is_hosts_text("# hosts\nnode0 preset:dgx-h100"));
  EXPECT_TRUE(
      topology::is_hosts_text("\xef\xbb\xbf"
                              "network 3us\r\nnode0 machine.xml"));
  for (auto const* text : {"", "hello", "hello world", "GPU0 X NV18", "{}", "<system/>", "a b.c d"})
    EXPECT_FALSE(topology::is_hosts_text(text)) << text;
}

TEST(hosts_file, a_hundred_thousand_devices_are_read_and_their_paths_found_host_by_host) {
  auto const view =
      topology::visible(fleet("network 50GB/s leaf=32 oversubscription=2\nnode[0-12499] preset:dgx-h100"), {}).value();
  ASSERT_EQ(view.size(), 100000u);
  EXPECT_EQ(view.path(99992, 99999).label(), "NV18");
  EXPECT_DOUBLE_EQ(view.path(0, 99999).bandwidth.value(), 25);
  EXPECT_DOUBLE_EQ(view.path(0, 8).bandwidth.value(), 48);
  for (std::size_t i = 0; i < view.size(); i += 800) ASSERT_EQ(view.path(i, i + 7).label(), "NV18");
  EXPECT_EQ(view.find(device_id{device_kind::cuda, 3, "node777"}), 777u * 8 + 3);
}
