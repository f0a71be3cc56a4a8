#include <gtest/gtest.h>

#include <gpuplace/testing/topologies.hpp>
#include <gpuplace/topology/cpu_slots.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/visible.hpp>
#include <string>
#include <vector>

using namespace gpuplace;
using topology::environment;

namespace {

/// Two cards as a driver showed them when the rules were tried out, and two more that share the first one's beginning.
topology::graph machine(std::size_t count = 2) {
  constexpr char const* uuids[] = {"GPU-488e37d5-eaac-80e0-6ebc-e206adae72ea", "GPU-2c060050-3466-61f2-0446-6f58e016c0d9",
                                   "GPU-488e37d5-eaac-80e0-6ebc-000000000000", "GPU-99999999-0000-0000-0000-000000000000"};
  topology::graph g;
  auto const fabric = g.add(topology::vertex_kind::nvswitch, "s");
  for (std::size_t i = 0; i < count; ++i) {
    auto d = topology::make_gpu(*topology::find_gpu_model("h100"), static_cast<int>(i));
    d.uuid = uuids[i];
    d.pci = "00000000:0" + std::to_string(6 + i) + ":00.0";
    g.connect(g.add(d), fabric, topology::default_link(path_kind::nvlink, *topology::find_gpu_model("h100"), 18));
  }
  return g;
}

/// The physical numbers of the devices seen, or "error".
std::string seen(std::string list, std::size_t count = 2) {
  auto const group = visible(machine(count), environment{std::move(list), {}});
  if (!group) return "error";
  std::string text;
  for (auto const& d : *group) text += std::to_string(d.physical_index);
  return text;
}

std::string const u0 = "GPU-488e37d5-eaac-80e0-6ebc-e206adae72ea", u1 = "GPU-2c060050-3466-61f2-0446-6f58e016c0d9";

}  // namespace

TEST(visible, a_variable_that_is_not_set_hides_nothing) { EXPECT_EQ(visible(machine(), environment{})->size(), 2u); }

// Each expectation below is what two H100s showed under this value.
TEST(visible, numbers_are_read_as_cuda_reads_them) {
  std::pair<char const*, char const*> const cases[] = {
      {"", ""},        {"0", "0"},   {"1", "1"},       {"1,0", "10"},       {"0,1", "01"},       {"0,5,1", "0"},
      {"0,-1,1", "0"}, {"-1", ""},   {"-1,0", ""},     {"0,1,5,0", "01"},   {" 1, 0", "10"},     {"0 ,1", "01"},
      {"0,,1", "0"},   {",0", ""},   {"0,", "0"},      {"1gpu,0x", "10"},   {"0x1", "0"},        {"+1", "1"},
      {"01", "1"},     {"abc", ""},  {"0,abc,1", "0"}, {"0 1", "0"},        {"NoDevFiles", ""},  {"1.5", "1"},
      {"all", ""},     {"\t1", "1"}, {"0, -1", "0"},   {"99999999999", ""}, {"4294967296", "0"}, {"none", ""}};
  for (auto const& [list, expected] : cases) EXPECT_EQ(seen(list), expected) << '\'' << list << '\'';
}

TEST(visible, a_device_named_twice_stops_cuda) {
  for (auto const* list : {"0,0", "0,1,0", "0,1,1", "0,1,0,7", "0,+0", "0,-0", "0,4294967296"})
    EXPECT_EQ(seen(list), "error") << list;
  EXPECT_EQ(seen(u0 + ',' + u0), "error");
  EXPECT_EQ(seen("GPU-488e37,GPU-488e37d5"), "error");
  EXPECT_EQ(seen("0,5,0"), "0");  // the second 0 is hidden before it can be the same
}

TEST(visible, uuids_are_read_as_cuda_reads_them) {
  std::pair<std::string, char const*> const cases[] = {{u0, "0"},
                                                       {u1 + ',' + u0, "10"},
                                                       {"GPU-2c06,GPU-488e37", "10"},
                                                       {"GPU-", ""},
                                                       {"GPU", ""},
                                                       {u0 + ",1", "0"},
                                                       {"1," + u0, "1"},
                                                       {"GPU-zzzz," + u0, ""},
                                                       {u0 + ",GPU-zzzz," + u1, "0"},
                                                       {"GPU-488E37D5-EAAC", "0"},
                                                       {"gpu" + u0.substr(3), ""},
                                                       {' ' + u1, ""},
                                                       {u1 + " ," + u0, "10"},
                                                       {u1 + ", " + u0, "1"},
                                                       {u0 + "x," + u1, "01"},
                                                       {"GPU-488e37zz", ""},
                                                       {"GPU-488e37d5eaac", "0"},
                                                       {"0,MIG-" + u0, "0"},
                                                       {"GPU488e37d5", ""}};
  for (auto const& [list, expected] : cases) EXPECT_EQ(seen(list), expected) << '\'' << list << '\'';
}

TEST(visible, the_beginning_of_a_uuid_must_be_of_one_device) {
  EXPECT_EQ(seen("GPU-99,GPU-488e37d5", 4), "3");
  EXPECT_EQ(seen("GPU-488e37d5-eaac-80e0-6ebc-0", 4), "2");
}

TEST(visible, mig_slices_are_found_by_uuid_or_refused) {
  auto const refused = visible(machine(), environment{"MIG-zzz,0", {}});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, errc::unsupported);
  topology::graph g;
  device slice;
  slice.uuid = "MIG-0123abcd-0000-0000-0000-000000000000";
  g.add(slice);
  EXPECT_EQ(visible(g, environment{"MIG-0123", {}})->size(), 1u);
}

TEST(visible, uuids_of_a_topology_without_any_are_an_error_not_an_empty_view) {
  auto const got = visible(*topology::preset("2xh100"), environment{u0, {}});
  ASSERT_TRUE(got.has_error());
  EXPECT_EQ(got.error().where, "CUDA_VISIBLE_DEVICES");
}

TEST(visible, renumbers_and_keeps_what_tells_the_device) {
  auto const group = visible(*topology::uniform("8x24GiB"), environment{"7,4,5,6", {}}).value();
  ASSERT_EQ(group.size(), 4u);
  EXPECT_EQ(to_string(group[0].id), "cuda:0");
  EXPECT_EQ(group[0].physical_index, 7);
  EXPECT_EQ(group.path(0, 3).label(), "NV18");
}

TEST(visible, keeps_the_paths_between_the_devices_it_keeps) {
  auto const whole = topology::all_devices(*topology::preset("dgx1-v100"));
  auto const part = visible(*topology::preset("dgx1-v100"), environment{"3,7,0", {}}).value();
  std::size_t const from[] = {3, 7, 0};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(part.path(i, j).label(), whole.path(from[i], from[j]).label());
}

TEST(visible, leaves_cpu_slots_alone) {
  auto const slots = *topology::cpu_slots(3, {"a CPU", 4, 8_GiB});
  EXPECT_EQ(visible(slots, environment{"", {}})->size(), 3u);
  EXPECT_EQ(visible(slots, environment{"1", {}})->size(), 3u);
}

TEST(visible, holds_on_every_host) {
  auto const group = visible(gpuplace::testing::two_hosts(4), environment{"2,3", {}}).value();
  ASSERT_EQ(group.size(), 4u);
  EXPECT_EQ(to_string(group[0].id), "node0/cuda:0");
  EXPECT_EQ(to_string(group[3].id), "node1/cuda:1");
  EXPECT_EQ(group[3].physical_index, 3);
}

TEST(visible, device_order_counts_for_a_machine_in_nvml_order_only) {
  topology::graph g;
  for (auto const* card : {"rtx3060", "h100", "a100"}) {
    auto d = topology::make_gpu(*topology::find_gpu_model(card), static_cast<int>(g.devices().size()));
    d.pci = "00000000:0" + std::to_string(g.devices().size()) + ":00.0";
    g.add(d);
  }
  auto const order = [&](environment const& env) {
    std::string text;
    for (auto const& d : visible(g, env).value()) text += std::to_string(d.physical_index);
    return text;
  };
  EXPECT_EQ(order({{}, "FASTEST_FIRST"}), "012");
  g.nvml_order = true;
  EXPECT_EQ(order({}), "120");
  EXPECT_EQ(order({{}, "PCI_BUS_ID"}), "012");
  EXPECT_EQ(order({"0", {}}), "1");
}

TEST(visible, an_unknown_order_stops_cuda) {
  for (auto const* order : {"bogus", "pci_bus_id", ""})
    EXPECT_TRUE(visible(machine(), environment{{}, order}).has_error()) << order;
}
