#include <gpuplace/runtime/world.hpp>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::runtime_tests {
namespace {

using variables = std::map<std::string, std::string, std::less<>>;

result<world> world_in(variables const& set) {
  return find_world([&](std::string_view name) -> std::optional<std::string> {
    auto const found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(world, of_one_where_no_launcher_has_started_it) {
  EXPECT_TRUE(world_in({{"PATH", "/bin"}})->alone());
  EXPECT_TRUE(world_in({{"RANK", "0"}, {"WORLD_SIZE", "1"}})->alone());
  EXPECT_TRUE(world_in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}})->alone()) << "the shell of a batch script";
}

TEST(world, as_torchrun_tells_it) {
  auto const here = world_in({{"RANK", "3"},
                              {"WORLD_SIZE", "8"},
                              {"MASTER_ADDR", "node0"},
                              {"MASTER_PORT", "1234"},
                              {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                              {"TORCHELASTIC_RESTART_COUNT", "2"}});
  ASSERT_TRUE(here) << here.error();
  EXPECT_EQ(*here, (world{3, 8, "node0", 1234, "torchrun", true, "2"}));
}

TEST(world, as_mpirun_and_srun_tell_it) {
  auto const open_mpi =
      world_in({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_EQ(*open_mpi, (world{1, 2, "127.0.0.1", 29500, "Open MPI", false, "0"}));
  EXPECT_EQ(world_in({{"PMI_RANK", "1"}, {"PMI_SIZE", "4"}})->launcher, "MPICH");
  auto const slurm = [](std::string hosts) {
    return world_in({{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_STEP_NODELIST", std::move(hosts)}})->address;
  };
  EXPECT_EQ(slurm("rack[07-09]-gpu[1,3],login"), "rack07-gpu1");
  EXPECT_EQ(slurm("a,b"), "a");
  EXPECT_EQ(slurm("a"), "127.0.0.1");
}

TEST(world, refuses_variables_that_say_nothing_sensible) {
  for (variables const& wrong : {variables{{"WORLD_SIZE", "two"}, {"RANK", "0"}}, variables{{"WORLD_SIZE", "2"}},
                                 variables{{"WORLD_SIZE", "2"}, {"RANK", "2"}}, variables{{"WORLD_SIZE", "2"}, {"RANK", "-1"}},
                                 variables{{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_PORT", "70000"}}}) {
    auto const refused = world_in(wrong);
    ASSERT_FALSE(refused);
    EXPECT_FALSE(refused.error().remedy.empty());
  }
  auto const hosts = world_in({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  ASSERT_FALSE(hosts);
  EXPECT_NE(hosts.error().remedy.find("MASTER_ADDR"), std::string::npos);
}

plan plan_on(std::vector<std::string> const& devices) {
  plan whole;
  whole.models.resize(1);
  for (auto const& d : devices) {
    replica r;
    r.stages.resize(1);
    r.stages[0].device = *parse_device_id(d);
    whole.models[0].replicas.push_back(r);
  }
  return whole;
}

TEST(device_owners, deal_a_hosts_devices_out_in_their_order) {
  auto const eight = plan_on({"7", "6", "5", "4", "3", "2", "1", "0"});
  for (int const ranks : {1, 2, 3, 8}) {
    auto const dealt = device_owners::deal(eight, std::vector<std::string>(static_cast<std::size_t>(ranks), "here"));
    ASSERT_TRUE(dealt) << dealt.error();
    for (int i = 0; i < 8; ++i) EXPECT_EQ(dealt->owner({device_kind::cuda, i, {}}), i * ranks / 8);
  }
}

TEST(device_owners, give_each_hosts_devices_to_its_own_ranks) {
  auto const dealt =
      device_owners::deal(plan_on({"a/cuda:0", "a/cuda:1", "b/cuda:0", "b/cuda:1"}), std::vector<std::string>{"b", "a", "b"});
  ASSERT_TRUE(dealt) << dealt.error();
  EXPECT_EQ(dealt->owner({device_kind::cuda, 1, "a"}), 1);
  EXPECT_EQ(dealt->owner({device_kind::cuda, 0, "b"}), 0);
  EXPECT_EQ(dealt->owner({device_kind::cuda, 1, "b"}), 2);
}

TEST(device_owners, say_which_rank_or_host_is_left_over) {
  auto const refused = [](plan const& whole, std::vector<std::string> const& hosts) {
    auto const dealt = device_owners::deal(whole, hosts);
    return dealt ? std::string() : dealt.error().message();
  };
  EXPECT_NE(refused(plan_on({"0", "1"}), {"x", "x", "x"}).find("rank 2 on x has no device"), std::string::npos);
  EXPECT_NE(refused(plan_on({"a/cuda:0", "b/cuda:0"}), {"a", "a"}).find("host b"), std::string::npos);
  EXPECT_NE(refused(plan_on({"0", "1"}), {"a", "b"}).find("hosts file"), std::string::npos);
}

}  // namespace
}  // namespace gpuplace::runtime_tests
