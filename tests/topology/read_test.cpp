#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/read.hpp>
#include <sstream>
#include <string>
#include <vector>

using namespace gpuplace;

namespace {
std::string const folder = GPUPLACE_TEST_DATA "/topologies/";
errc code_of(std::string const& source) {
  auto const got = topology::read(source);
  return got ? errc::cancelled : got.error().code;
}
}  // namespace

TEST(read, knows_every_form_of_source) {
  std::string const file = folder + "2xh200-nvlink.txt";
  for (auto const& source : std::vector<std::string>{"live", "cpu:2", "preset:dgx-h100", "uniform:8x80GiB", file, file + "@h200"}) {
    auto const g = topology::read(source);
    ASSERT_TRUE(g) << source << g.error();
    EXPECT_GE(g->devices().size(), 1u) << source;
    EXPECT_FALSE(g->source.empty());
  }
}

TEST(read, recognises_json_by_its_content) {
  auto const j = topology::to_json(topology::preset("2xh100").value()).dump();
  EXPECT_EQ(topology::read_text("\n  " + j)->devices().size(), 2u);
}

TEST(read, a_card_cannot_be_given_for_json) {
  auto const j = topology::to_json(topology::preset("2xh100").value()).dump();
  EXPECT_EQ(topology::read_text(j, {topology::find_gpu_model("h200"), "x"}).error().code, errc::invalid_argument);
}

TEST(read, what_does_not_exist_is_answered_with_the_forms_there_are) {
  for (auto const* source : {"", "nonsense", "/no/such/file", "/no/such/file@h100", "Live"}) {
    auto const got = topology::read(source);
    ASSERT_TRUE(got.has_error()) << source;
    EXPECT_EQ(got.error().code, errc::not_found) << source;
    EXPECT_NE(got.error().message().find("uniform:8x80GiB"), std::string::npos) << source;
  }
}

TEST(read, says_when_a_file_is_in_no_known_format) {
  for (auto const* text : {"", "  \n", "hello", "<system/>",
                           "\x7f"
                           "ELF"}) {
    auto const got = topology::read_text(text, {nullptr, "x"});
    ASSERT_TRUE(got.has_error()) << text;
    EXPECT_EQ(got.error().code, errc::malformed);
  }
  EXPECT_EQ(code_of(folder), errc::unreadable);
}

TEST(read, an_unknown_card_is_answered_with_those_known) {
  auto const got = topology::read(folder + "2xh200-nvlink.txt@voodoo2");
  ASSERT_TRUE(got.has_error());
  EXPECT_NE(got.error().message().find("h200"), std::string::npos);
}
