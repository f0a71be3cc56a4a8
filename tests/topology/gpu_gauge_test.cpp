#include <gtest/gtest.h>

#include <gpuplace/topology/gpu_gauge.hpp>
#include <string>

using namespace gpuplace;
using topology::gpu_gauge;

namespace {
std::string fake(int machine) { return GPUPLACE_FAKES "/fake_nvml_" + std::to_string(machine) + ".so"; }
std::string const first = "GPU-11111111-0000-0000-0000-000000000000", second = "GPU-22222222-0000-0000-0000-000000000000";
}  // namespace

TEST(gpu_gauge, reads_a_gpu_by_its_uuid_or_its_slot) {
  auto const gauge = gpu_gauge::open(fake(1));
  ASSERT_TRUE(gauge);
  EXPECT_EQ(gauge->read(second, ""), (topology::gpu_reading{0.38, 30_GiB, 80_GiB}));
  EXPECT_EQ(gauge->read("", "00000000:9A:00.0"), (topology::gpu_reading{0.38, 30_GiB, 80_GiB}));
  EXPECT_EQ(gauge->read("GPU-of-another-machine", "00000000:18:00.0"), (topology::gpu_reading{0.37, 1_GiB, 80_GiB}));
  EXPECT_FALSE(gauge->read("", ""));
  EXPECT_FALSE(gauge->read("GPU-of-another-machine", ""));
}

TEST(gpu_gauge, a_slice_tells_its_memory_alone) {
  auto const gauge = gpu_gauge::open(fake(2));
  ASSERT_TRUE(gauge);
  EXPECT_EQ(gauge->read("MIG-aaaaaaaa-0000-0000-0000-000000000000", ""), (topology::gpu_reading{{}, 2_GiB, 40_GiB}));
}

TEST(gpu_gauge, a_lost_gpu_gives_no_reading) {
  auto const gauge = gpu_gauge::open(fake(3));
  ASSERT_TRUE(gauge);
  for (auto const& uuid : {first, second, std::string("GPU-33333333-0000-0000-0000-000000000000")}) {
    auto const seen = gauge->read(uuid, "");
    EXPECT_TRUE(!seen || seen->total > 0_GiB);
  }
}

TEST(gpu_gauge, is_not_there_without_a_driver) {
  EXPECT_FALSE(gpu_gauge::open("/no/such/library"));
  EXPECT_FALSE(gpu_gauge::open(fake(7)));
}

TEST(read_nvml, knows_the_driver) {
  auto const machine = topology::read_nvml(fake(1));
  EXPECT_EQ(machine.driver, "580.65.06");
  EXPECT_EQ(machine.cuda, 13000);
  EXPECT_EQ(topology::read_nvml(fake(7)).driver, "");
}
