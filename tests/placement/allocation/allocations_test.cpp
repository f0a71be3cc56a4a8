#include <gpuplace/placement/allocation.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
// Device numbers of every group, "0,1|2,3" for one model, models separated by spaces.
template <allocation_strategy A>
std::string picture(A const& a, workload const& work, std::size_t devices) {
  auto const proposals = a.propose(work, t::gpus(devices, 24_GiB)).value();
  EXPECT_EQ(proposals.size(), 1U);
  std::string text;
  for (auto const& groups : proposals.front().models) {
    if (!text.empty()) text += ' ';
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (g) text += '|';
      for (std::size_t d = 0; d < groups[g].size(); ++d) text += (d ? "," : "") + std::to_string(groups[g][d].id.index);
    }
  }
  return text;
}
workload single() { return t::one(t::small_model(24)); }
workload two() { return t::pair(t::small_model(24), t::small_model(24, 512)); }
template <allocation_strategy A>
error refusal(A const& a, workload const& work, std::size_t devices) {
  auto const proposals = a.propose(work, t::gpus(devices, 24_GiB));
  EXPECT_TRUE(proposals.has_error());
  return proposals.error();
}
}  // namespace

TEST(data_parallel, cuts_the_view_into_equal_groups) {
  EXPECT_EQ(picture(data_parallel{4}, single(), 4), "0|1|2|3");
  EXPECT_EQ(picture(data_parallel{2}, single(), 4), "0,1|2,3");
  EXPECT_EQ(picture(data_parallel{}, single(), 3), "0|1|2");
  EXPECT_EQ(picture(data_parallel{3}, single(), 8), "0,1|2,3|4,5");
  EXPECT_EQ(picture(data_parallel{2}, two(), 4), "0,1|2,3 0,1|2,3");
}
TEST(data_parallel, refuses_more_replicas_than_devices) {
  EXPECT_EQ(refusal(data_parallel{5}, single(), 4).code, errc::does_not_fit);
}

TEST(one_group, shares_all_devices) {
  EXPECT_EQ(picture(one_group{}, single(), 3), "0,1,2");
  EXPECT_EQ(picture(one_group{}, two(), 2), "0,1 0,1");
  EXPECT_TRUE(refusal(one_group{}, single(), 0).code == errc::does_not_fit);
}

TEST(ratio, gives_the_fifth_documents_picture) { EXPECT_EQ(picture(ratio{6, 2}, two(), 8), "0,1,2,3,4,5 6,7"); }
TEST(ratio, is_a_proportion_of_a_multiple) { EXPECT_EQ(picture(ratio{3, 1}, two(), 8), "0,1,2,3,4,5 6,7"); }
TEST(ratio, leaves_a_remainder_idle) { EXPECT_EQ(picture(ratio{2, 1}, two(), 4), "0,1 2"); }
TEST(ratio, refuses_what_cannot_be) {
  EXPECT_NE(refusal(ratio{6, 2}, two(), 4).message().find("needs 8 devices, there are 4"), std::string::npos);
  EXPECT_EQ(refusal(ratio{6, 2}, single(), 8).code, errc::invalid_argument);
  EXPECT_EQ(refusal(ratio{6, 0}, two(), 8).code, errc::invalid_argument);
  EXPECT_EQ(refusal(ratio{}, two(), 8).code, errc::invalid_argument);
}

TEST(separate, gives_each_model_its_own_device) {
  EXPECT_EQ(picture(separate{}, two(), 2), "0 1");
  EXPECT_EQ(refusal(separate{}, two(), 1).code, errc::does_not_fit);
}
TEST(same, puts_all_models_on_the_first_device) { EXPECT_EQ(picture(same{}, two(), 2), "0 0"); }
