#include <gpuplace/plugin/abi_tag.hpp>

#include <gtest/gtest.h>

#include <string>

using namespace gpuplace;

TEST(version, is_the_projects) { EXPECT_EQ(library_version, GPUPLACE_PROJECT_VERSION); }

TEST(abi_tag, says_what_this_file_is_compiled_with) {
  auto const parts = abi_parts();
  ASSERT_EQ(parts.size(), 5U);
  EXPECT_EQ(parts[0], (abi_part{"gpuplace", GPUPLACE_PROJECT_VERSION}));
  for (auto const& p : parts) {
    EXPECT_FALSE(p.value.empty()) << p.name;
    EXPECT_EQ(p.value.find("unknown"), std::string::npos) << p.name;
    EXPECT_EQ(p.value.find('\n'), std::string::npos) << p.name;
  }
  EXPECT_EQ(parse_abi_tag(abi_tag()), parts);
  EXPECT_TRUE(check_abi_tag(abi_tag(), "x.so"));
}

TEST(abi_tag, names_each_part_that_differs_and_what_to_rebuild_with) {
  auto const ours = abi_parts();
  for (auto const& part : ours) {
    auto theirs = ours;
    for (auto& p : theirs)
      if (p.name == part.name) p.value = "another 9.9";
    auto const refused = check_abi_tag(abi_tag(theirs), "x.so");
    ASSERT_TRUE(refused.has_error()) << part.name;
    EXPECT_EQ(refused.error().code, errc::mismatch);
    EXPECT_EQ(refused.error().where, "x.so");
    EXPECT_EQ(refused.error().what, "the plugin was built with " + part.name + " another 9.9, here it is " + part.value);
    EXPECT_NE(refused.error().remedy.find(part.name == "layout" ? "this program's own gpuplace headers" : part.value),
              std::string::npos);
    for (auto const& other : ours)
      if (other.name != part.name) {
        EXPECT_EQ(refused.error().what.find(other.name + ' '), std::string::npos);
      }
  }
}

TEST(abi_tag, names_all_differences_at_once) {
  auto theirs = abi_parts();
  theirs[1].value = "gcc 4";
  theirs[3].value = "1.40";
  auto const refused = check_abi_tag(abi_tag(theirs), "x.so").error();
  EXPECT_NE(refused.what.find("compiler gcc 4"), std::string::npos);
  EXPECT_NE(refused.what.find("Boost 1.40"), std::string::npos);
}

TEST(abi_tag, refuses_parts_that_are_missing_or_unheard_of) {
  auto theirs = abi_parts();
  theirs.pop_back();
  theirs.push_back({"moon", "full"});
  auto const refused = check_abi_tag(abi_tag(theirs), "x.so").error();
  EXPECT_NE(refused.what.find("it does not say its layout"), std::string::npos);
  EXPECT_NE(refused.what.find("moon full, which this program knows nothing of"), std::string::npos);
  for (std::string const text : {"", "\n\n", "nonsense", ": ", "gpuplace: 0", "gpuplace"})
    EXPECT_TRUE(check_abi_tag(text, "x.so").has_error()) << text;
}
