#include <gpuplace/placement/limits.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
std::string applied(std::string_view text, std::size_t devices = 4) {
  auto const made = apply(parse_memory_limits(text).value(), t::gpus(devices, 80_GiB));
  if (!made) return std::string(to_string(made.error().code));
  std::string line;
  for (std::size_t i = 0; i < made->view.size(); ++i)
    line += (i ? " " : "") + std::to_string(made->view[i].id.index) + "=" + to_string(made->view.capacity(i));
  return line;
}
}  // namespace

TEST(limits, lists_and_maps_mean_what_hugging_face_users_expect) {
  EXPECT_EQ(applied("75GiB,60GiB", 2), "0=75.0 GiB 1=60.0 GiB");
  EXPECT_EQ(applied(R"({"0": "75GiB", "2": "75GiB"})"), "0=75.0 GiB 2=75.0 GiB");
  EXPECT_EQ(applied(R"({"0": "75GiB", "1": 0, "2": 1073741824})"), "0=75.0 GiB 2=1.0 GiB");
  EXPECT_EQ(applied("9GB"), "0=8.4 GiB");
  EXPECT_EQ(applied(R"(["75GiB", 0, "9GB"])"), "0=75.0 GiB 2=8.4 GiB");
  EXPECT_EQ(applied("['75GiB', 1073741824]"), "0=75.0 GiB 1=1.0 GiB") << "as Python writes it";
  EXPECT_EQ(applied(R"({"10": "1GiB", "9": "2GiB", "0": "3GiB"})", 12), "0=3.0 GiB 9=2.0 GiB 10=1.0 GiB")
      << "by number, not as text";
  EXPECT_EQ(applied("75 GiB, 512MB,1073741824"), "0=75.0 GiB 1=488.3 MiB 2=1.0 GiB");
  EXPECT_EQ(applied("{0: '70GiB', 2: \"1.5GiB\"}"), "0=70.0 GiB 2=1.5 GiB");
  EXPECT_EQ(applied(R"({"cuda:1": "70GiB"})"), "1=70.0 GiB");
}

TEST(limits, errors_name_the_device) {
  EXPECT_EQ(parse_memory_limits("1GiB,lots").error().where, "max_memory, device 1");
  EXPECT_EQ(parse_memory_limits(R"({"3": "lots"})").error().where, "max_memory, device 3");
  EXPECT_NE(parse_memory_limits(R"({"1": 5, "cuda:1": 6})").error().what.find("two limits"), std::string::npos);
  EXPECT_EQ(parse_memory_limits(R"({"1": 5, "1": 6})").error().code, errc::malformed);
}

TEST(limits, more_than_there_is_is_lowered_with_a_note) {
  auto const made = apply(parse_memory_limits("90GiB").value(), t::gpus(1, 80_GiB)).value();
  EXPECT_EQ(made.view.capacity(0), 80_GiB);
  ASSERT_EQ(made.notes.size(), 1U);
  EXPECT_NE(made.notes[0].find("90.0 GiB"), std::string::npos);
}

TEST(limits, refuses_nonsense) {
  for (auto const* text : {"", " ", "lots", "-3GiB", R"({"0": "5XB"})", "{", "{}", R"({"a": "1GiB"})", R"({"0": -1})",
                           R"({"0": null})", "1GiB,,2GiB", "1GiB,", "[]", "[", R"([["1GiB"]])", R"([null])", R"(["1GiB" "2GiB"])"})
    EXPECT_TRUE(parse_memory_limits(text).has_error()) << text;
  EXPECT_EQ(parse_memory_limits(R"({"cpu": "30GiB"})").error().code, errc::unsupported);
  EXPECT_EQ(applied(R"({"7": "5GiB"})", 2), "not_found");
  EXPECT_EQ(applied("0,0", 2), "does_not_fit");
}
