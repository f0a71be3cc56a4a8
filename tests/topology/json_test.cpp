#include <gtest/gtest.h>

#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/live.hpp>
#include <gpuplace/topology/presets.hpp>
#include <string>

using namespace gpuplace;
using topology::json_form;

namespace {

void expect_equal(topology::graph const& a, topology::graph const& b) {
  ASSERT_EQ(a.devices(), b.devices());
  auto const x = topology::all_devices(a), y = topology::all_devices(b);
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) ASSERT_EQ(x.path(i, j), y.path(i, j)) << a.source << ' ' << i << ' ' << j;
}

void expect_round_trip(topology::graph const& g) {
  for (auto const form : {json_form::paths, json_form::links}) {
    auto const back = topology::from_json_text(topology::to_json(g, form).dump());
    ASSERT_TRUE(back) << back.error();
    expect_equal(g, *back);
  }
}

std::string refused(std::string const& text) {
  auto const got = topology::from_json_text(text, "t.json");
  return got ? "it was read" : got.error().message();
}

}  // namespace

TEST(topology_json, reads_back_what_it_wrote_for_every_preset) {
  for (auto const* name : {"dgx-h100", "dgx-h200", "dgx-b200", "dgx-a100", "dgx1-v100"})
    expect_round_trip(topology::preset(name).value());
  for (auto const& model : topology::gpu_models)
    for (auto const* count : {"1x", "2x", "4x"})
      if (auto const made = topology::preset(count + std::string(model.key))) expect_round_trip(*made);
}

TEST(topology_json, reads_back_what_it_wrote_for_machines_of_all_shapes) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) expect_round_trip(gpuplace::testing::random_graph(seed));
  expect_round_trip(gpuplace::testing::two_hosts(3));
  expect_round_trip(gpuplace::testing::pcie_tree(2, 4));
  expect_round_trip(topology::cpu_slots(3, {"a \"CPU\"", 8, 8_GiB}).value());
  auto g = gpuplace::testing::nvlink_island(1);
  device d;
  d.id.index = 5;
  d.free = 3_GiB;
  d.uuid = "GPU-1";
  d.pci = "00000000:01:00.0";
  d.note = "assumed";
  g.add(d);
  expect_round_trip(g);
}

TEST(topology_json, lists_every_ordered_pair_under_the_keys_of_the_contract) {
  auto const j = topology::to_json(topology::preset("2xh100").value());
  auto const& d = j["devices"][1];
  EXPECT_EQ(d["id"], "cuda:1");
  EXPECT_EQ(d["name"], "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(d["host"], "");
  EXPECT_EQ(d["numa"], 0);
  EXPECT_GT(d["memory_bytes"].get<std::int64_t>(), 79LL << 30);
  ASSERT_EQ(j["paths"].size(), 2u);
  auto const& p = j["paths"][0];
  EXPECT_EQ(p["from"], "cuda:0");
  EXPECT_EQ(p["to"], "cuda:1");
  EXPECT_EQ(p["kind"], "nvlink");
  EXPECT_NEAR(p["bandwidth_gb_s"].get<double>(), 370.8, 1e-9);
  EXPECT_NEAR(p["latency_us"].get<double>(), 11.5, 1e-9);
}

TEST(topology_json, writes_links_above_256_devices_unless_asked_for_paths) {
  auto const g = topology::uniform("257x1GiB").value();
  auto const j = topology::to_json(g);
  EXPECT_FALSE(j.contains("paths"));
  EXPECT_EQ(j["links"].size(), 257u);
  EXPECT_EQ(topology::to_json(g, json_form::paths)["paths"].size(), 257u * 256u);
  EXPECT_EQ(topology::to_json(topology::uniform("256x1GiB").value())["paths"].size(), 256u * 255u);
  EXPECT_EQ(topology::from_json(nlohmann::json(j))->devices().size(), 257u);
}

TEST(topology_json, unknown_keys_are_passed_over_and_rates_may_be_absent) {
  auto const g =
      topology::from_json_text(R"({"devices":[{"id":"cuda:0","memory_bytes":1,"colour":"red"}],"paths":[],"by":"hand"})");
  ASSERT_TRUE(g) << g.error();
  EXPECT_EQ(g->devices()[0].memory_bandwidth.value(), 0);
}

TEST(topology_json, says_where_a_document_is_wrong) {
  std::string const two = R"("devices":[{"id":"cuda:0","memory_bytes":1},{"id":"cuda:1","memory_bytes":1}],)";
  std::pair<std::string, char const*> const cases[] = {
      {"", "t.json"},
      {"{\"devices\":[", "parse error"},
      {"[]", "no topology"},
      {R"({"devices":{},"paths":[]})", "no topology"},
      {R"({"devices":[7],"paths":[]})", "devices[0]: an object is expected"},
      {R"({"devices":[{"memory_bytes":1}],"paths":[]})", "devices[0]: \"id\" is missing"},
      {R"({"devices":[{"id":"gpu!","memory_bytes":1}],"paths":[]})", "'gpu!' is not a device"},
      {R"({"devices":[{"id":"cuda:0"}],"paths":[]})", "\"memory_bytes\" is missing"},
      {R"({"devices":[{"id":"cuda:0","memory_bytes":-5}],"paths":[]})", "out of range"},
      {R"({"devices":[{"id":"cuda:0","memory_bytes":"80GiB"}],"paths":[]})", "wrong type"},
      {R"({"devices":[{"id":"cuda:0","memory_bytes":1,"host":"elsewhere"}],"paths":[]})", "elsewhere"},
      {R"({"devices":[{"id":"cuda:0","memory_bytes":1},{"id":"cuda:0","memory_bytes":1}],"paths":[]})", "there twice"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:7","kind":"pix","bandwidth_gb_s":1}]})", "there is no 'cuda:7'"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:0","kind":"pix","bandwidth_gb_s":1}]})", "to itself"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:1","kind":"string","bandwidth_gb_s":1}]})", "not a kind of link"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:1","kind":"pix","bandwidth_gb_s":0}]})", "above zero"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:1","kind":"pix","bandwidth_gb_s":1e999}]})", "t.json"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:1","kind":"pix","bandwidth_gb_s":1,"latency_us":-1}]})", "out of range"},
      {'{' + two + R"("paths":[{"from":"cuda:0","to":"cuda:1","kind":"pix","bandwidth_gb_s":1},
                               {"from":"cuda:1","to":"cuda:0","kind":"pix","bandwidth_gb_s":2}]})",
       "paths[1]: differs"},
      {'{' + two + R"("links":[]})", "must be lists"},
      {'{' + two + R"("vertices":[{"id":"a","kind":"teapot"}],"links":[]})", "vertices[0]: 'teapot'"},
      {'{' + two + R"("vertices":[{"id":"cuda:0","kind":"host"}],"links":[]})", "there twice"},
      {'{' + two + R"("vertices":[],"links":[{"from":"cuda:0","to":"cuda:1","kind":"none"}]})", "links[0]"}};
  for (auto const& [text, expected] : cases)
    EXPECT_NE(refused(text).find(expected), std::string::npos) << text << "\n" << refused(text);
}
