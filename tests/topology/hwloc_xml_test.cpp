#include <gtest/gtest.h>

#include <fstream>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/hwloc_xml.hpp>
#include <gpuplace/topology/read.hpp>
#include <iterator>
#include <string>

using namespace gpuplace;

namespace {

std::string file(char const* name) { return std::string(GPUPLACE_TEST_DATA "/topologies/hwloc/") + name; }
topology::graph machine(std::string_view text) { return topology::read_text(text, {.name = "m.xml"}).value(); }
error refusal(std::string_view text) {
  auto const got = topology::read_text(text, {.name = "m.xml"});
  return got ? error{errc::cancelled, "it was read", {}, {}} : got.error();
}
std::string pci(std::string const& bus, std::string const& type, std::string const& inside = "", std::string const& speed = "") {
  return "<object type=\"PCIDev\" pci_busid=\"" + bus + "\" pci_type=\"" + type + "\"" +
         (speed.empty() ? "" : " pci_link_speed=\"" + speed + "\"") + ">" + inside + "</object>\n";
}
std::string os_device(std::string const& name, int type, std::string const& inside = "") {
  return "<object type=\"OSDev\" name=\"" + name + "\" osdev_type=\"" + std::to_string(type) + "\">" + inside + "</object>";
}
std::string bridge(std::string const& bus, std::string const& inside) {
  return "<object type=\"Bridge\" bridge_type=\"1-1\" pci_busid=\"" + bus + "\" pci_type=\"0604 [10b5:9797] [0:0] ca\">\n" +
         inside + "</object>\n";
}
std::string host_bridge(std::string const& inside) {
  return "<object type=\"Bridge\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"0000:[00-ff]\">\n" + inside + "</object>\n";
}
std::string package(std::string const& nodeset, std::string const& inside) {
  return "<object type=\"Package\" nodeset=\"" + nodeset + "\">\n" + inside + "</object>\n";
}
std::string whole(std::string const& inside) {
  return "<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology version=\"2.0\">\n"
         "<object type=\"Machine\" nodeset=\"0x00000003\">\n" +
         inside + "</object>\n</topology>\n";
}
std::string const h100 = "0302 [10de:2330] [10de:16c1] a1", l4 = "0302 [10de:27b8] [10de:16ee] a1";

}  // namespace

TEST(hwloc_xml, reads_a_machine_of_two_packages) {
  auto const g = topology::read(file("2-packages-4-gpus.xml"));
  ASSERT_TRUE(g) << g.error();
  auto const group = topology::all_devices(*g);
  ASSERT_EQ(group.size(), 4u);
  EXPECT_EQ(group[0].name, "NVIDIA L4");
  EXPECT_EQ(group[0].pci, "0000:18:00.0");
  EXPECT_EQ(group[0].uuid, "GPU-11111111-2222-3333-4444-555555555555");
  EXPECT_EQ(group[3].numa, 1);
  EXPECT_EQ(group.path(0, 1).label(), "PIX");
  EXPECT_EQ(group.path(0, 2).label(), "SYS");
  EXPECT_EQ(group.path(2, 3).label(), "PHB");
  EXPECT_NEAR(group.path(0, 1).bandwidth.value(), 24, 0.1);
  EXPECT_DOUBLE_EQ(group.path(0, 2).bandwidth.value(), 22);  // the processors are of Sapphire Rapids' family
  EXPECT_LT(group.path(0, 1).latency, group.path(2, 3).latency);
  std::vector<std::string> cards;
  for (auto [v, end] = vertices(*g); v != end; ++v)
    if ((*g)[*v].kind == topology::vertex_kind::nic) cards.push_back((*g)[*v].name);
  EXPECT_EQ(cards, (std::vector<std::string>{"mlx5_0", "eno1"}));
}

TEST(hwloc_xml, reads_version_1_where_numa_nodes_hold_what_is_on_them) {
  auto const g = topology::read(file("version-1.xml"));
  ASSERT_TRUE(g) << g.error();
  auto const group = topology::all_devices(*g);
  ASSERT_EQ(group.size(), 2u);
  EXPECT_EQ(group[0].name, "Tesla V100-PCIE-16GB");
  EXPECT_EQ(group[0].numa, 0);
  EXPECT_EQ(group[1].numa, 1);
  EXPECT_EQ(group.path(0, 1).label(), "SYS");
}

TEST(hwloc_xml, ways_through_bridges_are_named_as_nvidia_smi_does) {
  auto const cascade = bridge(
      "0000:02:00.0", bridge("0000:03:00.0", pci("0000:04:00.0", l4)) + bridge("0000:03:01.0", pci("0000:05:00.0", l4)) +
                          bridge("0000:03:02.0", bridge("0000:06:00.0", bridge("0000:07:00.0", pci("0000:08:00.0", l4)) +
                                                                            bridge("0000:07:01.0", pci("0000:09:00.0", l4)))));
  auto const group = topology::all_devices(
      machine(whole(package("0x1", host_bridge(bridge("0000:01:00.0", cascade) + bridge("0000:01:01.0", pci("0000:0a:00.0", l4))) +
                                       host_bridge(pci("0000:80:00.0", l4))))));
  ASSERT_EQ(group.size(), 6u);
  EXPECT_EQ(group.path(0, 1).label(), "PIX");
  EXPECT_EQ(group.path(0, 2).label(), "PXB");
  EXPECT_EQ(group.path(2, 3).label(), "PIX");
  EXPECT_EQ(group.path(0, 4).label(), "PHB");
  EXPECT_EQ(group.path(0, 5).label(), "NODE");
}

TEST(hwloc_xml, gpus_are_known_by_class_and_vendor) {
  auto const g = machine(whole(package(
      "0x1", host_bridge(pci("0000:01:00.0", "0300 [1a03:2000] [1a03:2000] 41") +  // a console
                         pci("0000:02:00.0", "0300 [10de:2684] [0:0] a1") + pci("0000:03:00.0", "0302 [10DE:FFFF] [0:0] a1") +
                         pci("0000:04:00.0", "1200 [1002:74a1] [0:0] 00",
                             os_device("rsmi0", 5, "<info name=\"RSMIVRAMSize\" value=\"201326592\"/>")) +
                         pci("0000:05:00.0", "0108 [144d:a80a] [0:0] 00")))));
  ASSERT_EQ(g.devices().size(), 3u);
  auto const named = [&](char const* pci) { return *std::ranges::find(g.devices(), pci, &gpuplace::device::pci); };
  EXPECT_EQ(named("0000:02:00.0").name, "NVIDIA GeForce RTX 4090");
  EXPECT_NE(named("0000:03:00.0").note, "");
  EXPECT_EQ(named("0000:04:00.0").capacity, 192_GiB);
}

TEST(hwloc_xml, devices_are_in_the_order_of_cuda_where_it_was_asked) {
  auto const g = machine(whole(package(
      "0x1",
      host_bridge(pci("0000:01:00.0", l4, os_device("cuda1", 5) + os_device("nvml0", 1)) +
                  pci("0000:02:00.0", h100, os_device("cuda0", 5, "<info name=\"GPUModel\" value=\"NVIDIA H100 PCIe\"/>"))))));
  ASSERT_EQ(g.devices().size(), 2u);
  EXPECT_EQ(g.devices()[0].name, "NVIDIA H100 PCIe");
  EXPECT_EQ(g.devices()[1].name, "NVIDIA L4");
}

TEST(hwloc_xml, boards_with_nvswitches_get_theirs_and_a_note) {
  auto const g = machine(
      whole(package("0x1", host_bridge(pci("0000:01:00.0", h100, "", "63.015385") + pci("0000:02:00.0", h100, "", "63.015385")))));
  EXPECT_EQ(topology::all_devices(g).path(0, 1).label(), "NV18");
  ASSERT_EQ(g.notes.size(), 1u);
}

TEST(hwloc_xml, link_speeds_are_those_of_the_file) {
  auto const text = [](std::string const& speed) {
    return whole(package("0x1", host_bridge(pci("0000:01:00.0", l4, "", speed) + pci("0000:02:00.0", l4, "", "31.507692"))));
  };
  EXPECT_NEAR(topology::all_devices(machine(text("31.507692"))).path(0, 1).bandwidth.value(), 24, 1e-4);
  EXPECT_NEAR(topology::all_devices(machine(text("0.000000"))).path(0, 1).bandwidth.value(), 12, 1e-4);
  EXPECT_NEAR(topology::all_devices(machine(text(""))).path(0, 1).bandwidth.value(), 12, 1e-4);
  auto const idle = machine(text("4.0"));
  EXPECT_NEAR(topology::all_devices(idle).path(0, 1).bandwidth.value(), 3.05, 0.01);
  EXPECT_EQ(idle.notes.size(), 1u);
  EXPECT_EQ(refusal(text("fast")).code, errc::malformed);
}

TEST(hwloc_xml, a_card_can_be_named_for_a_file_that_does_not) {
  auto const got = topology::read(file("version-1.xml") + "@t4");
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->devices()[0].name, "Tesla T4");
}

TEST(hwloc_xml, faults_are_refused_with_the_line) {
  EXPECT_NE(refusal(whole(package("0x1", ""))).what.find("no GPU"), std::string::npos);
  EXPECT_EQ(refusal(whole(pci("", l4))).where, "m.xml:5");
  auto const twice = refusal(whole(pci("0000:01:00.0", l4) + pci("0000:01:00.0", l4)));
  EXPECT_EQ(twice.where, "m.xml:6");
  EXPECT_NE(twice.what.find("first at m.xml:5"), std::string::npos) << twice;
  EXPECT_EQ(refusal("<topology version=\"2.0\">\n<object type=\"System\"/></topology>").code, errc::unsupported);
  EXPECT_EQ(refusal("<topology>\n<object type='Machine'>\n</topology>").where, "m.xml:3");
}

TEST(hwloc_xml, any_prefix_of_a_file_is_read_or_refused) {
  std::ifstream in(file("2-packages-4-gpus.xml"));
  std::string const text(std::istreambuf_iterator<char>(in), {});
  for (std::size_t n = 0; n + 12 < text.size(); n += 13)
    EXPECT_TRUE(topology::read_text(std::string_view(text).substr(0, n)).has_error()) << n;
}
