#include <gtest/gtest.h>

#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/presets.hpp>
#include <string>

using namespace gpuplace;

TEST(gpu_models, rows_are_sane_and_found_by_either_name) {
  for (auto const& m : topology::gpu_models) {
    EXPECT_EQ(topology::find_gpu_model(m.key), &m) << "two rows are called " << m.key;
    EXPECT_EQ(topology::find_gpu_model(m.name), &m) << m.name;
    EXPECT_TRUE(m.memory_gib > 1 && m.memory_bandwidth >= 100 && m.peak_bf16 >= m.peak_fp32) << m.key;
    EXPECT_TRUE(m.nvlinks == 0 || m.nvlink_rate > 0) << m.key;
    EXPECT_TRUE(m.pcie >= 3 && m.pcie <= 5) << m.key;
  }
  EXPECT_EQ(topology::find_gpu_model("voodoo2"), nullptr);
}

TEST(preset, dgx_h100_is_eight_cards_on_nvswitch) {
  auto const g = topology::all_devices(topology::preset("dgx-h100").value());
  ASSERT_EQ(g.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(g[i].numa, i < 4 ? 0 : 1);
    EXPECT_NEAR(g[i].capacity.gib(), 79.18, 0.01);
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(g.path(i, j).label(), "NV18");
  }
  EXPECT_NEAR(g.path(0, 7).bandwidth.value(), 18 * 20.6, 1e-9);
  EXPECT_NEAR(g.path(0, 7).latency.count(), 11.5, 1e-9);
}

TEST(preset, dgx1_has_six_nvlinks_a_card) {
  auto const g = topology::all_devices(topology::preset("dgx1-v100").value());
  for (std::size_t i = 0; i < 8; ++i) {
    int links = 0;
    for (std::size_t j = 0; j < 8; ++j) links += g.path(i, j).nvlinks;
    EXPECT_EQ(links, 6) << i;
  }
  EXPECT_EQ(g.path(0, 4).label(), "NV2");
  EXPECT_EQ(g.path(0, 5).label(), "SYS");
}

TEST(preset, like_cards_are_joined_as_such_machines_are) {
  auto const label = [](char const* name, std::size_t i, std::size_t j) {
    return topology::all_devices(topology::preset(name).value()).path(i, j).label();
  };
  EXPECT_EQ(label("2xh100", 0, 1), "NV18");
  EXPECT_EQ(label("2xh200", 0, 1), "NV18");
  EXPECT_EQ(label("4xa100", 0, 3), "NV4");
  EXPECT_EQ(label("8xa100", 0, 7), "NV12");
  EXPECT_EQ(label("8xrtx3060", 0, 3), "PHB");
  EXPECT_EQ(label("8xrtx3060", 3, 4), "SYS");
  EXPECT_EQ(topology::preset("1xh200")->devices().size(), 1u);
}

TEST(preset, an_unknown_name_is_answered_with_those_there_are) {
  for (auto const* name :
       {"", "dgx", "dgx-l4", "0xh100", "-1xh100", "8xvoodoo", "8h100", "8xv100", "99999999999xh100", "2xh100 "}) {
    auto const got = topology::preset(name);
    ASSERT_TRUE(got.has_error()) << name;
    EXPECT_EQ(got.error().code, errc::not_found) << name;
    EXPECT_NE(got.error().message().find("dgx-h100"), std::string::npos) << name;
  }
}

TEST(uniform, makes_like_devices_linked_alike) {
  auto const g = topology::all_devices(topology::uniform("8x80GiB").value());
  ASSERT_EQ(g.size(), 8u);
  EXPECT_EQ(g.capacity(7), 80_GiB);
  for (std::size_t i = 1; i < 8; ++i) EXPECT_EQ(g.path(0, i), g.path(7, i - 1));
}

TEST(uniform, takes_a_link_by_its_label) {
  auto const label = [](char const* text) { return topology::all_devices(topology::uniform(text).value()).path(0, 1).label(); };
  EXPECT_EQ(label("2x24GiB@PIX"), "PIX");
  EXPECT_EQ(label("2x24GiB@nv4"), "NV4");
  EXPECT_EQ(label("2x24GB@sys"), "SYS");
}

TEST(uniform, refuses_what_makes_no_machine) {
  for (auto const* text : {"", "8", "8x", "x80GiB", "0x80GiB", "8x0GiB", "8x80parsecs", "8x80GiB@", "8x80GiB@NV", "8x80GiB@NV0",
                           "8x80GiB@wire", "8x80GiB@self", "8x-1GiB", "9999999999x1GiB"})
    EXPECT_TRUE(topology::uniform(text).has_error()) << text;
}

TEST(uniform, a_hundred_thousand_devices_are_no_trouble) {
  EXPECT_EQ(topology::uniform("100000x80GiB")->devices().size(), 100000u);
}

TEST(preset, machines_have_other_names_too) {
  for (auto const& alias : topology::detail::preset_aliases) {
    auto const g = topology::preset(alias.name);
    ASSERT_TRUE(g) << alias.name << g.error();
    EXPECT_EQ(g->devices().size(), topology::preset(alias.means)->devices().size());
  }
}

TEST(preset, dgx2_and_mi300x_are_joined_as_they_are_built) {
  auto const dgx2 = topology::all_devices(topology::preset("dgx2-v100").value());
  ASSERT_EQ(dgx2.size(), 16u);
  EXPECT_EQ(dgx2.path(0, 15).label(), "NV6");
  auto const amd = topology::all_devices(topology::preset("8xmi300x").value());
  EXPECT_EQ(amd.path(0, 7).label(), "XGMI");
  EXPECT_NEAR(amd.path(0, 7).bandwidth.value(), 48, 1e-9);
  EXPECT_TRUE(topology::preset("9xmi300x").has_error());
}
