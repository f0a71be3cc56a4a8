#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/host_facts.hpp>
#include <string>

using namespace gpuplace;
namespace fs = std::filesystem;

TEST(host_facts, hwloc_and_sysfs_tell_the_same) {
  auto const hwloc = topology::read_hwloc(GPUPLACE_FAKES "/fake_hwloc.so");
  auto const root = fs::temp_directory_path() / "gpuplace_sysfs_test";
  fs::remove_all(root);
  auto const add = [&](std::string const& way, std::string const& pci, int numa) {
    auto const place = root / "devices" / way / pci;
    fs::create_directories(place);
    std::ofstream(place / "numa_node") << numa;
    fs::create_directories(root / "bus/pci/devices");
    fs::create_directory_symlink(place, root / "bus/pci/devices" / pci);
  };
  add("pci0000:15/0000:15:01.0/0000:17:00.0", "0000:18:00.0", 0);
  add("pci0000:15/0000:15:01.0/0000:17:01.0", "0000:19:00.0", 0);
  add("pci0000:97/0000:97:01.0", "0000:9a:00.0", 1);
  fs::create_directories(root / "class/infiniband/mlx5_0");
  fs::create_directory_symlink(root / "bus/pci/devices/0000:19:00.0", root / "class/infiniband/mlx5_0/device");
  auto const sysfs = topology::read_sysfs({"00000000:18:00.0", "00000000:9A:00.0", "00000000:FF:00.0"}, root.string());
  fs::remove_all(root);

  for (auto const& facts : {hwloc, sysfs}) {
    ASSERT_EQ(facts.devices.size(), 3u);
    ASSERT_EQ(facts.nics.size(), 1u);
    EXPECT_EQ(facts.nics[0].name, "mlx5_0");
    auto const &first = *facts.find("0000:18:00.0"), &nic = *facts.find("0000:19:00.0"), &far = *facts.find("0000:9a:00.0");
    EXPECT_EQ(first.numa, 0);
    EXPECT_EQ(far.numa, 1);
    EXPECT_EQ(topology::nearest_way(first, nic), path_kind::pix);
    EXPECT_EQ(topology::nearest_way(first, far), path_kind::sys);
  }
}

TEST(host_facts, what_is_not_there_tells_nothing) {
  EXPECT_TRUE(topology::read_hwloc("/no/such/library.so").devices.empty());
  EXPECT_TRUE(topology::read_sysfs({"0000:01:00.0"}, "/no/such/folder").devices.empty());
  EXPECT_TRUE(topology::read_hwloc_xml("<topology>").has_error());
}

TEST(host_facts, pci_ids_are_written_as_the_kernel_does) {
  EXPECT_EQ(topology::kernel_pci("00000000:9A:00.0"), "0000:9a:00.0");
  EXPECT_EQ(topology::kernel_pci("0001:9A:00.0"), "0001:9a:00.0");
  EXPECT_EQ(topology::kernel_pci("9a:00.0"), "0000:9a:00.0");
  EXPECT_EQ(topology::kernel_pci(""), "");
}

TEST(host_facts, ways_are_named_as_nvidia_smi_does) {
  auto const at = [](std::vector<std::string> bridges, int numa) { return topology::pci_position{"", numa, std::move(bridges)}; };
  auto const a = at({"pci0000:00", "p", "up", "down"}, 0);
  EXPECT_EQ(topology::nearest_way(a, at({"pci0000:00", "p", "up", "other"}, 0)), path_kind::pix);
  EXPECT_EQ(topology::nearest_way(a, at({"pci0000:00", "p", "up", "down2", "up2", "down3"}, 0)), path_kind::pxb);
  EXPECT_EQ(topology::nearest_way(a, at({"pci0000:00", "q"}, 0)), path_kind::phb);
  EXPECT_EQ(topology::nearest_way(a, at({"pci0000:40"}, 0)), path_kind::node);
  EXPECT_EQ(topology::nearest_way(a, at({"pci0000:80"}, 1)), path_kind::sys);
}
