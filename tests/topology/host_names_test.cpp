#include <gtest/gtest.h>

#include <gpuplace/topology/host_names.hpp>
#include <string>
#include <vector>

using namespace gpuplace;
using topology::host_names;

namespace {
std::vector<std::string> all(std::string_view word) {
  auto names = host_names::parse(word).value();
  std::vector<std::string> made;
  for (auto name = names.first(); !name.empty(); name = names.next()) made.push_back(name);
  EXPECT_EQ(made.size(), names.count()) << word;
  return made;
}
using list = std::vector<std::string>;
}  // namespace

TEST(host_names, expand_ranges_and_lists) {
  EXPECT_EQ(all("node0"), list{"node0"});
  EXPECT_EQ(all("n[0-2]"), (list{"n0", "n1", "n2"}));
  EXPECT_EQ(all("n[1,3,7-8].lan"), (list{"n1.lan", "n3.lan", "n7.lan", "n8.lan"}));
  EXPECT_EQ(all("r[1-2]-[0-1]"), (list{"r1-0", "r1-1", "r2-0", "r2-1"}));
  EXPECT_EQ(all("[5]"), list{"5"});
}

TEST(host_names, a_leading_zero_keeps_the_width) { EXPECT_EQ(all("n[08-11]"), (list{"n08", "n09", "n10", "n11"})); }

TEST(host_names, a_second_pass_begins_anew) {
  auto names = host_names::parse("a[0-1]").value();
  names.first(), names.next();
  EXPECT_EQ(names.first(), "a0");
}

TEST(host_names, refuse_what_is_no_name) {
  for (auto const* word : {"", "a/b", "a b", "n[", "n[]", "n[1-]", "n[-1]", "n[2-1]", "n[a]", "n[1,]", "n]", "n[0-99999999999]",
                           "n[0-9999][0-9999]", "[1][1][1][1][1][1][1][1][1]", "a@b", "[0-999999999]"})
    EXPECT_TRUE(host_names::parse(word).has_error()) << word;
}
