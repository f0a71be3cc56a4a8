#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/read.hpp>
#include <string>
#include <vector>

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

namespace {

std::string cpu(std::string const& inside, std::string const& version = "1") {
  return "<system version='" + version + "'>\n<cpu numaid='0' arch='x86_64' vendor='GenuineIntel' familyid='6' modelid='143'>\n" +
         inside + "</cpu>\n</system>";
}
std::string slot(std::string const& bus, std::string const& attributes, std::string const& inside = "") {
  return "<pci busid='" + bus + "' " + attributes + ">" + inside + "</pci>\n";
}
device_group group_of(std::string const& text) { return topology::all_devices(topology::read_text(text).value()); }
std::string const l4 = "class='0x030200' vendor='0x10de' device='0x27b8' ";

}  // namespace

TEST(nccl_xml, versions_1_and_2_and_none_are_read_and_others_refused) {
  for (auto const* version : {"1", "2"}) EXPECT_EQ(group_of(cpu(slot("0000:01:00.0", l4), version)).size(), 1u);
  EXPECT_EQ(group_of("<system><cpu>" + slot("0000:01:00.0", l4) + "</cpu></system>").size(), 1u);
  auto const got = refusal(cpu(slot("0000:01:00.0", l4), "3"));
  EXPECT_EQ(got.code, errc::unsupported);
  EXPECT_NE(got.what.find("'3'"), std::string::npos);
}

TEST(nccl_xml, gpus_are_known_by_their_class_or_by_what_is_in_the_slot) {
  for (auto const* known : {"class='0x030200'", "class='0x030000'", "class='0x038000'", "class='0x120000'", "class='0x0302'",
                            "class='030200'", "class='0x030200' vendor='0x1002'", "class='0x030200' vendor='0xffff'"})
    EXPECT_EQ(group_of(cpu(slot("0000:01:00.0", known))).size(), 1u) << known;
  EXPECT_EQ(group_of(cpu(slot("0000:01:00.0", "", "<gpu dev='0' sm='90'/>"))).size(), 1u);
  EXPECT_EQ(group_of(cpu(slot("0000:01:00.0", l4) + slot("0000:02:00.0", "class='0x030000' vendor='0x1a03'"))).size(), 1u);
}

TEST(nccl_xml, a_template_that_says_nowhere_what_is_a_gpu_is_refused_in_words) {
  auto const got = refusal(cpu(slot("0000:01:00.0", "", slot("0000:02:00.0", "link_width='16'") + slot("0000:03:00.0", ""))));
  EXPECT_EQ(got.code, errc::malformed);
  EXPECT_NE(got.what.find("which of the file's 2 PCI devices are GPUs"), std::string::npos) << got;
  EXPECT_NE(got.remedy.find("0x030200"), std::string::npos);
  EXPECT_NE(refusal(cpu("<gpu dev='0'/>")).what.find("in no <pci>"), std::string::npos);
}

TEST(nccl_xml, nested_switches_make_nested_ways) {
  auto const bridge = [](std::string const& bus, std::string const& inside) {
    return slot(bus, "class='0x060400' link_speed='16.0 GT/s PCIe' link_width='16'", "\n" + inside);
  };
  auto const g = group_of(cpu(bridge("0000:01:00.0", bridge("0000:02:00.0", slot("0000:03:00.0", l4) + slot("0000:04:00.0", l4)) +
                                                         bridge("0000:05:00.0", slot("0000:06:00.0", l4))) +
                              bridge("0000:07:00.0", slot("0000:08:00.0", l4))));
  ASSERT_EQ(g.size(), 4u);
  EXPECT_EQ(g.path(0, 1).label(), "PIX");
  EXPECT_EQ(g.path(0, 2).label(), "PXB");
  EXPECT_EQ(g.path(0, 3).label(), "PHB");
  EXPECT_LT(g.path(0, 1).latency, g.path(0, 2).latency);
  EXPECT_LT(g.path(0, 2).latency, g.path(0, 3).latency);
}

TEST(nccl_xml, slots_without_speed_or_width_count_as_generation_3_with_16_lanes) {
  auto const rate = [](std::string const& attributes) {
    return group_of(cpu(slot("0000:01:00.0", l4 + attributes) +
                        slot("0000:02:00.0", l4 + "link_speed='64.0 GT/s PCIe' link_width='16'")))
        .path(0, 1)
        .bandwidth.value();
  };
  for (auto const* missing :
       {"", "link_speed='' link_width=''", "link_speed='Unknown' link_width='0'", "link_speed='Unknown speed'",
        "link_speed='8 GT/s'", "link_width='255'", "link_width='63' link_speed='8.0 GT/s PCIe'"})
    EXPECT_NEAR(rate(missing), 12, 1e-9) << missing;
  EXPECT_NEAR(rate("link_speed='32.0 GT/s PCIe' link_width='8'"), 24, 1e-9);
  EXPECT_NEAR(rate("link_speed='2.5 GT/s PCIe' link_width='1'"), 0.1875, 1e-9);
}

TEST(nccl_xml, links_listed_one_by_one_are_counted_together) {
  auto const linked = [](std::string const& own, std::string const& other, std::string const& inside) {
    return slot(own, "class='0x030200' vendor='0x10de' device='0x1db1'", "<gpu sm='70'>" + inside + "</gpu>") + other;
  };
  auto const to = [](char const* target) { return "<nvlink target='" + std::string(target) + "' count='1' tclass='0x030200'/>"; };
  auto const g = group_of(cpu(linked("0000:01:00.0", "", to("0000:02:00.0") + to("0000:02:00.0") + to("0000:02:00.0")) +
                              linked("0000:02:00.0", "", to("0000:01:00.0") + to("0000:01:00.0"))));
  EXPECT_EQ(g.path(0, 1).label(), "NV2");  // a link that only one end lists is down
}

TEST(nccl_xml, nvswitches_are_known_by_class_by_slot_or_by_having_no_address) {
  auto const with = [](std::string const& target) {
    auto const gpu = [&](char const* bus) {
      return slot(bus, "class='0x030200' vendor='0x10de' device='0x2330'",
                  "<gpu sm='90'><nvlink count='18' " + target + "/></gpu>");
    };
    return cpu(gpu("0000:01:00.0") + gpu("0000:02:00.0") + slot("0000:05:00.0", "class='0x068000'"));
  };
  for (auto const* target : {"target='0000:99:00.0' tclass='0x068000'", "target='0000:05:00.0'", "target='fffffff:ff:ff.0'"})
    EXPECT_EQ(group_of(with(target)).path(0, 1).label(), "NV18") << target;
  auto const elsewhere = topology::read_text(with("target='0000:99:00.0'")).value();
  EXPECT_EQ(topology::all_devices(elsewhere).path(0, 1).label(), "PHB");
  EXPECT_EQ(elsewhere.notes.size(), 2u);
}

TEST(nccl_xml, network_cards_stand_where_they_are_nested) {
  auto const g =
      topology::read_text(cpu(slot("0000:01:00.0", "class='0x060400'",
                                   slot("0000:02:00.0", l4) + slot("0000:03:00.0", "class='0x020700'",
                                                                   "<nic><net name='mlx5_0' dev='0' speed='200000'/></nic>")) +
                              "<nic><net name='eth0' dev='1'/></nic>"))
          .value();
  std::vector<std::string> cards;
  for (auto [v, end] = vertices(g); v != end; ++v)
    if (g[*v].kind == topology::vertex_kind::nic) cards.push_back(g[*v].name);
  EXPECT_EQ(cards, (std::vector<std::string>{"NIC mlx5_0", "NIC eth0"}));
}

TEST(nccl_xml, xgmi_links_join_amd_cards) {
  auto const gpu = [](char const* bus, char const* other) {
    return slot(bus, "class='0x038000' vendor='0x1002'",
                "<gpu sm='94' gcn='gfx942'><xgmi target='" + std::string(other) + "' count='1'/></gpu>");
  };
  auto const g = group_of(cpu(gpu("0000:01:00.0", "0000:02:00.0") + gpu("0000:02:00.0", "0000:01:00.0"), "2"));
  EXPECT_EQ(g[0].name, "AMD Instinct MI300X");
  EXPECT_EQ(g.path(0, 1).label(), "XGMI");
  EXPECT_NEAR(g.path(0, 1).bandwidth.value(), 48, 1e-9);
}
