#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gpuplace/topology/best_paths.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/live.hpp>
#include <gpuplace/topology/print.hpp>
#include <gpuplace/topology/visible.hpp>
#include <string>
#include <vector>

using namespace gpuplace;

namespace {

topology::cpu_facts const cpu{"a CPU", 2, 8_GiB};

/// A made-up /proc and an empty /sys, so that nothing of the machine under the tests shows.
struct made_up_host {
  std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                 (std::string("gpuplace_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
  made_up_host() {
    std::filesystem::create_directories(folder / "4242");
    std::filesystem::create_directories(folder / "sys");
    std::ofstream(folder / "4242" / "comm") << "trainer\n";
  }
  ~made_up_host() { std::filesystem::remove_all(folder); }

  topology::discovery with(int machine, std::string const& hwloc = "/no/such/library") const {
    return {GPUPLACE_FAKES "/fake_nvml_" + std::to_string(machine) + ".so", hwloc, (folder / "sys").string(), folder.string()};
  }
  topology::graph machine(int number) const { return topology::this_machine(with(number), cpu).value(); }
};

bool has_note(topology::graph const& g, std::string const& part) {
  return std::ranges::any_of(g.notes, [&](std::string const& note) { return note.find(part) != note.npos; });
}
std::string seen(topology::graph const& g, topology::environment const& env) {
  auto const group = topology::visible(g, env);
  if (!group) return "error";
  std::string text;
  for (auto const& d : *group) text += d.uuid.substr(0, 6) + ' ';
  return text;
}

}  // namespace

TEST(this_machine, reads_gpus_with_memory_owners_and_nvswitch) {
  made_up_host const host;
  auto const g = host.machine(1);
  ASSERT_EQ(g.devices().size(), 2u);
  auto const& second = g.devices()[1];
  EXPECT_EQ(second.name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(second.pci, "00000000:9A:00.0");
  EXPECT_EQ(second.numa, 1);
  EXPECT_EQ(second.capacity, 80_GiB);
  EXPECT_EQ(second.free, 50_GiB);
  EXPECT_EQ(second.owners, (std::vector<memory_owner>{{4242, "trainer", 29_GiB}}));
  EXPECT_NEAR(second.peak_bf16.value(), 989.4, 1e-9);
  auto const group = topology::all_devices(g);
  EXPECT_EQ(group.capacity(1), 50_GiB);  // planning may use what is free
  EXPECT_EQ(group.path(0, 1).label(), "NV18");
  EXPECT_NEAR(group.path(0, 1).bandwidth.value(), 18 * 20.6, 1e-9);
  auto const table = topology::to_table(group);
  for (auto const* part : {"free", "50.0 GiB", "in use: cuda:1  pid 4242  trainer  29.0 GiB"})
    EXPECT_NE(table.find(part), std::string::npos) << part << '\n' << table;
}

TEST(this_machine, hwloc_tells_where_the_slots_are) {
  made_up_host const host;
  auto const g = topology::this_machine(host.with(1, GPUPLACE_FAKES "/fake_hwloc.so"), cpu).value();
  bool found = false;
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    if (g[v].kind == topology::vertex_kind::nic) {
      found = true;
      EXPECT_EQ(g[v].name, "mlx5_0");
      EXPECT_EQ(g[v].numa, 0);
      std::vector const target{v};
      EXPECT_EQ(topology::best_paths(g, g.device_vertices()[0], target)[0].label(), "PIX");
    }
  EXPECT_TRUE(found);
}

TEST(this_machine, mig_slices_are_devices) {
  made_up_host const host;
  auto const g = host.machine(2);
  ASSERT_EQ(g.devices().size(), 3u);
  auto const& slice = g.devices()[1];
  EXPECT_EQ(slice.uuid, "MIG-aaaaaaaa-0000-0000-0000-000000000000");
  EXPECT_EQ(slice.name, "NVIDIA H100 80GB HBM3 MIG 3g.40gb");
  EXPECT_EQ(slice.mig, (mig_slice{"GPU-22222222-0000-0000-0000-000000000000", 1, 0}));
  EXPECT_EQ(slice.capacity, 40_GiB);
  EXPECT_EQ(slice.free, 38_GiB);
  EXPECT_EQ(slice.physical_index, 1);
  EXPECT_NEAR(slice.memory_bandwidth.value(), 3350 / 2.0, 1e-6);
  EXPECT_NEAR(slice.peak_bf16.value(), 989.4 * 3 / 7, 1e-6);
  ASSERT_EQ(slice.owners.size(), 1u);
  EXPECT_EQ(slice.owners[0].pid, 77);
  EXPECT_TRUE(g.devices()[2].owners.empty());
  EXPECT_TRUE(topology::all_devices(g).path(1, 2).staged);
}

TEST(this_machine, cuda_shows_one_slice_and_nothing_else) {
  made_up_host const host;
  auto const g = host.machine(2);
  using topology::environment;
  EXPECT_EQ(seen(g, {}), "MIG-aa ");
  EXPECT_TRUE(has_note(*topology::visible_graph(g, {}), "CUDA_VISIBLE_DEVICES=MIG-"));
  EXPECT_EQ(seen(g, {"0", {}}), "GPU-11 ");
  EXPECT_EQ(seen(g, {"1", {}}), "MIG-aa ");
  EXPECT_EQ(seen(g, {"0,1", {}}), "MIG-aa ");
  EXPECT_EQ(seen(g, {"GPU-1", {}}), "GPU-11 ");
  EXPECT_EQ(seen(g, {"GPU-22", {}}), "MIG-aa ");
  EXPECT_EQ(seen(g, {"MIG-bb", {}}), "MIG-bb ");
  EXPECT_EQ(seen(g, {"MIG-bb,MIG-aa", {}}), "MIG-bb ");
  EXPECT_EQ(seen(g, {"MIG-", {}}), "");
  EXPECT_EQ(seen(g, {"MIG-cc,MIG-aa", {}}), "");
  EXPECT_EQ(seen(g, {"MIG-GPU-22222222-0000-0000-0000-000000000000/9/0", {}}), "MIG-bb ");
  EXPECT_EQ(seen(g, {"MIG-GPU-22222222-0000-0000-0000-000000000000/9/1", {}}), "");
  EXPECT_EQ(seen(g, {"MIG-GPU-22222222/9", {}}), "");
  EXPECT_EQ(seen(g, {"2", {}}), "");  // slices have no numbers
  EXPECT_EQ(seen(g, {"MIG-aa,MIG-aaa", {}}), "error");
}

TEST(this_machine, leaves_out_what_is_lost_and_takes_what_little_is_told) {
  made_up_host const host;
  auto const g = host.machine(3);
  ASSERT_EQ(g.devices().size(), 2u);
  EXPECT_TRUE(has_note(g, "GPU 1 is left out: GPU is lost"));
  EXPECT_TRUE(has_note(g, "20.0 GiB of GPU 0 are in use by programs that cannot be seen"));
  EXPECT_EQ(g.devices()[1].physical_index, 2);
  EXPECT_EQ(g.devices()[1].name, "NVIDIA L4");
  EXPECT_EQ(g.devices()[1].free, 22_GiB);
  EXPECT_EQ(g.devices()[1].uuid, "");
  EXPECT_EQ(g.devices()[1].numa, -1);
}

TEST(this_machine, a_card_that_no_table_has_gets_rates_from_its_clocks) {
  made_up_host const host;
  auto const g = host.machine(4);
  ASSERT_EQ(g.devices().size(), 2u);
  EXPECT_NEAR(g.devices()[0].memory_bandwidth.value(), 336, 1e-9);  // 2 × 7 GHz × 192 bits
  EXPECT_NEAR(g.devices()[0].peak_fp32.value(), 8, 1e-9);           // 2 × 1 GHz × 4000 cores
  EXPECT_NE(g.devices()[0].note, "");
  auto const path = topology::all_devices(g).path(0, 1);
  EXPECT_EQ(path.label(), "PHB");
  EXPECT_TRUE(path.staged);
  EXPECT_NEAR(path.bandwidth.value(), 24.0 * 4 / 16 / 2, 1e-9);  // 4 lanes of generation 4, through host memory
  EXPECT_EQ(seen(g, {}), "GPU-22 GPU-11 ");                      // CUDA puts the faster one first
  EXPECT_EQ(seen(g, {{}, "PCI_BUS_ID"}), "GPU-11 GPU-22 ");
}

TEST(this_machine, nvlinks_from_card_to_card_are_counted_for_each_pair) {
  made_up_host const host;
  auto const group = topology::all_devices(host.machine(5));
  ASSERT_EQ(group.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(group.path(i, j).label(), "NV4");
}

TEST(this_machine, comes_back_from_json_as_it_went) {
  made_up_host const host;
  for (int machine : {1, 2, 3, 4, 5}) {
    auto const g = host.machine(machine);
    auto const back = topology::from_json(topology::to_json(g)).value();
    EXPECT_EQ(back.devices(), g.devices());
    EXPECT_EQ(back.notes, g.notes);
  }
}

TEST(this_machine, without_a_working_driver_is_its_cores) {
  made_up_host const host;
  auto where = host.with(6);
  auto g = topology::this_machine(where, cpu).value();
  ASSERT_EQ(g.devices().size(), 1u);
  EXPECT_EQ(to_string(g.devices()[0].id), "cpu:0");
  EXPECT_TRUE(has_note(g, "Driver/library version mismatch"));
  EXPECT_TRUE(topology::this_machine(host.with(7), cpu)->notes.empty());  // a library without a driver is nothing special
  where.nvml = "/no/such/library.so";
  g = topology::this_machine(where, cpu).value();
  EXPECT_EQ(g.devices()[0].cores, 2);
  EXPECT_TRUE(g.notes.empty());
  std::filesystem::create_directories(host.folder / "driver/nvidia/gpus/0000:01:00.0");
  EXPECT_TRUE(has_note(*topology::this_machine(where, cpu), "nvidia-smi topo -m"));
  where.nvml = GPUPLACE_FAKES "/fake_hwloc.so";  // a library, but not that one
  EXPECT_EQ(topology::this_machine(where, cpu)->devices().size(), 1u);
}

TEST(this_machine, here_and_now_has_a_device) {
  auto const g = topology::this_machine().value();
  ASSERT_GE(g.devices().size(), 1u);
  EXPECT_GT(g.devices()[0].capacity, 1_MiB);
}
