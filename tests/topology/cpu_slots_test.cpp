#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/cpu_slots.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/read.hpp>
#include <sstream>
#include <string>

using namespace gpuplace;

TEST(cpu_slots, share_cores_and_memory_out) {
  auto const g = topology::cpu_slots(3, {"a CPU", 8, 9_GiB}).value();
  int cores = 0;
  for (auto const& d : g.devices()) {
    cores += d.cores;
    EXPECT_EQ(d.capacity, 3_GiB);
    EXPECT_EQ(d.id.kind, device_kind::cpu);
  }
  EXPECT_EQ(cores, 8);
  EXPECT_EQ(topology::all_devices(g).path(0, 2).label(), "MEM");
}

TEST(cpu_slots, may_be_more_than_cores) { EXPECT_EQ(topology::cpu_slots(4, {"a CPU", 2, 8_GiB})->devices()[3].cores, 1); }

TEST(cpu_slots, are_a_preset_too) { EXPECT_EQ(topology::read("preset:cpu:2")->devices().size(), 2u); }

TEST(cpu_slots, refuses_numbers_that_make_no_slots) {
  for (auto const* source : {"cpu:0", "cpu:-1", "cpu:", "cpu:x", "cpu:2x", "cpu:99999", "cpu:99999999999"}) {
    auto const got = topology::read(source);
    ASSERT_TRUE(got.has_error()) << source;
    EXPECT_EQ(got.error().code, errc::invalid_argument) << source;
  }
  EXPECT_EQ(topology::cpu_slots(1, {"a CPU", 2, bytes{}}).error().code, errc::unreadable);
}

TEST(cpu_slots, read_the_memory_that_is_available) {
  std::istringstream meminfo("MemTotal:  100 kB\nMemFree: 5 kB\nMemAvailable:   64 kB\n"), none("MemTotal: 1 kB\n");
  EXPECT_EQ(topology::detail::available_memory(meminfo), 64_KiB);
  EXPECT_EQ(topology::detail::available_memory(none), bytes{});
}

TEST(cpu_slots, a_container_has_what_its_limit_leaves) {
  auto const folder = std::filesystem::temp_directory_path() / "gpuplace_cgroup_test";
  std::filesystem::create_directories(folder);
  auto const room = [&](char const* max) {
    std::ofstream(folder / "memory.max") << max;
    std::ofstream(folder / "memory.current") << 600;
    std::ofstream(folder / "memory.stat") << "anon 400\ninactive_file 100\n";
    return topology::detail::container_room(folder.string());
  };
  EXPECT_EQ(room("1000"), bytes{500});
  EXPECT_EQ(room("300"), bytes{0});
  EXPECT_EQ(room("max"), std::nullopt);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(topology::detail::container_room(folder.string()), std::nullopt);
}
