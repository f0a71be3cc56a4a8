#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/read.hpp>
#include <string>

using namespace gpuplace;

namespace {

std::string file(char const* name) { return std::string(GPUPLACE_TEST_DATA "/topologies/nccl/") + name; }
topology::graph machine(std::string const& source) { return topology::read(source).value(); }
error refusal(std::string_view text) {
  auto const got = topology::read_nccl_xml(text, {nullptr, "m.xml"});
  return got ? error{errc::cancelled, "it was read", {}, {}} : got.error();
}
std::string gpu(std::string const& bus, std::string const& inside) {
  return "<pci busid=\"" + bus + "\" class=\"0x030200\" link_speed=\"16.0 GT/s PCIe\" link_width=\"16\">" + inside + "</pci>\n";
}

}  // namespace

TEST(nccl_xml, reads_two_h200s_on_nvswitch) {
  auto const g = machine(file("h200-x2.xml"));
  ASSERT_EQ(g.devices().size(), 2u);
  EXPECT_EQ(g.devices()[0].name, "NVIDIA H200");
  EXPECT_EQ(g.devices()[1].pci, "0000:00:07.0");
  EXPECT_EQ(topology::all_devices(g).path(0, 1).label(), "NV18");
  EXPECT_TRUE(g.notes.empty());
}

TEST(nccl_xml, takes_bandwidth_from_the_slots_that_the_file_names) {
  auto const g = machine(file("azure-ndv5.xml"));
  auto const group = topology::all_devices(g);
  ASSERT_EQ(group.size(), 8u);
  EXPECT_EQ(group[5].numa, 1);
  EXPECT_NE(group[0].note, "");  // the file says nothing of the card
  EXPECT_EQ(group.path(0, 1).label(), "PHB");
  EXPECT_NEAR(group.path(0, 1).bandwidth.value(), 48, 1e-9);
  EXPECT_EQ(group.path(0, 7).label(), "SYS");
  EXPECT_NEAR(group.path(0, 7).bandwidth.value(), 22, 1e-9);  // Sapphire Rapids
}

TEST(nccl_xml, a_vendors_list_of_slots_gets_the_nvswitch_of_its_cards_board) {
  for (auto const& source : {file("aws-p4d-24xl.xml"), file("azure-ndv5.xml") + "@h100"}) {
    auto const g = machine(source);
    EXPECT_EQ(topology::all_devices(g).path(0, 7).kind, path_kind::nvlink) << source;
    EXPECT_EQ(g.notes.size(), 1u);
    EXPECT_EQ(g.devices()[0].note, "");
  }
  EXPECT_EQ(machine(file("aws-p4d-24xl.xml")).devices()[0].name, "NVIDIA A100-SXM4-40GB");
}

TEST(nccl_xml, reads_amd_machines_with_and_without_xgmi) {
  auto const group = topology::all_devices(machine(file("rccl-8p-90a.xml")));
  ASSERT_EQ(group.size(), 8u);
  EXPECT_EQ(group.path(0, 1).label(), "XGMI");
  EXPECT_NEAR(group.path(0, 1).bandwidth.value(), 36, 1e-9);
  EXPECT_EQ(group.path(0, 3).label(), "PHB");
  auto const plain = topology::all_devices(machine(file("rccl-8p-pcie.xml")));
  EXPECT_EQ(plain.path(0, 3).label(), "PXB");
  EXPECT_EQ(plain.path(3, 4).label(), "PHB");
  EXPECT_NEAR(plain.path(0, 1).bandwidth.value(), 12, 1e-9);
}

TEST(nccl_xml, devices_are_in_the_order_of_their_numbers) {
  auto const g = topology::read_text("<system><cpu numaid='1'>" + gpu("0000:02:00.0", "<gpu dev='1' sm='80'/>") +
                                     gpu("0000:01:00.0", "<gpu dev='0' sm='80'/>") + "</cpu></system>")
                     .value();
  ASSERT_EQ(g.devices().size(), 2u);
  EXPECT_EQ(g.devices()[0].pci, "0000:01:00.0");
  EXPECT_EQ(g.devices()[0].name, "NVIDIA A100-SXM4-40GB");
  EXPECT_NE(g.devices()[0].note, "");
}

TEST(nccl_xml, malformed_files_are_refused_with_the_line) {
  EXPECT_EQ(refusal("<system>\n<cpu>\n</system>").where, "m.xml:3");
  EXPECT_EQ(refusal("<system>\n<cpu numaid=zero/></system>").where, "m.xml:2");
  EXPECT_EQ(refusal("<system>\n\n<cpu numaid='zero'/></system>").where, "m.xml:3");
  EXPECT_NE(refusal("<system>\n\n<cpu numaid='zero'/></system>").what.find("numaid=\"zero\""), std::string::npos);
  EXPECT_NE(refusal("<topology/>").what.find("<system>"), std::string::npos);
  EXPECT_NE(refusal("<system></system>").what.find("no GPU"), std::string::npos);
  EXPECT_NE(refusal("<system><cpu>\n<pci class='0x030200'/></cpu></system>").what.find("busid"), std::string::npos);
  EXPECT_EQ(refusal(std::string("<system>\0</system>", 18)).code, errc::malformed);
  EXPECT_EQ(refusal("").code, errc::malformed);
  EXPECT_EQ(refusal("<!-- nothing -->").code, errc::malformed);
}

TEST(nccl_xml, contradictions_are_refused_with_the_line) {
  auto const machine_of = [](std::string const& inside) { return "<system>\n<cpu numaid=\"0\">\n" + inside + "</cpu></system>"; };
  auto const twice = refusal(machine_of(gpu("0000:01:00.0", "") + gpu("0000:01:00.0", "")));
  EXPECT_EQ(twice.where, "m.xml:4");
  EXPECT_NE(twice.what.find("first at m.xml:3"), std::string::npos) << twice;
  EXPECT_EQ(refusal(machine_of(gpu("0000:01:00.0", "<gpu dev='0'/>") + gpu("0000:02:00.0", "<gpu dev='0'/>"))).where, "m.xml:4");
  for (auto const* wrong : {"<nvlink target='0000:02:00.0' count='0'/>", "<nvlink target='0000:02:00.0' count='99999'/>",
                            "<nvlink target='0000:01:00.0' count='1'/>", "<nvlink count='1'/>", "<c2c count='0' bw='1'/>"})
    EXPECT_EQ(
        refusal(machine_of(gpu("0000:01:00.0", "<gpu dev='0'>" + std::string(wrong) + "</gpu>") + gpu("0000:02:00.0", ""))).code,
        errc::malformed)
        << wrong;
  auto const hosts = refusal("<system><cpu host_hash='1'/><cpu host_hash='2'/></system>");
  EXPECT_EQ(hosts.code, errc::unsupported);
}

TEST(nccl_xml, nesting_cannot_exhaust_the_stack) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_NE(refusal(deep).what.find("deep"), std::string::npos);
  EXPECT_NE(refusal("<!DOCTYPE a [ </a></a> ]>" + deep).what.find("deep"), std::string::npos);
  EXPECT_NE(refusal("<!-- </a></a></a> -->" + deep).what.find("deep"), std::string::npos);
}

TEST(nccl_xml, any_prefix_of_a_real_file_is_read_or_refused) {
  for (auto const* name : {"h200-x2.xml", "rccl-8p-90a.xml", "aws-p4d-24xl.xml"}) {
    std::ifstream in(file(name));
    std::string const text(std::istreambuf_iterator<char>(in), {});
    for (std::size_t n = 0; n + 12 < text.size(); n += 13)
      EXPECT_TRUE(topology::read_text(std::string_view(text).substr(0, n)).has_error()) << name << ' ' << n;
  }
}
