#include <gpuplace/text/stop_strings.hpp>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

using gpuplace::text::stop_strings;

namespace {

/// The answer by its definition: up to the first byte at which a stop string ends, the longest one that ends there.
std::string cut(std::string const& text, std::vector<std::string> const& strings, bool include) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (auto const& s : strings)
      if (std::string_view(text).substr(0, end).ends_with(s)) longest = std::max(longest, s.size());
    if (longest > 0) return text.substr(0, include ? end : end - longest);
  }
  return text;
}

}  // namespace

TEST(stop_strings, holds_back_what_may_begin_one) {
  stop_strings stop({"\n\nUser:", "END"});
  EXPECT_EQ(stop.push("Hello\n"), "Hello");
  EXPECT_EQ(stop.push("\nUs"), "");
  EXPECT_EQ(stop.push("ually"), "\n\nUsually");
  EXPECT_EQ(stop.push(" E"), " ");
  EXPECT_EQ(stop.push("N"), "");
  EXPECT_FALSE(stop.stopped());
  EXPECT_EQ(stop.push("D and more"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.found(), "END");
  EXPECT_EQ(stop.push("nothing"), "");
  EXPECT_EQ(stop.finish(), "");
}

TEST(stop_strings, tells_the_rest_at_the_end) {
  stop_strings stop({"abc"});
  EXPECT_EQ(stop.push("xab"), "x");
  EXPECT_EQ(stop.finish(), "ab");
  EXPECT_FALSE(stop.stopped());
}

TEST(stop_strings, may_keep_the_string) {
  stop_strings stop({"."}, true);
  EXPECT_EQ(stop.push("One. Two."), "One.");
}

TEST(stop_strings, without_strings_everything_passes) {
  stop_strings stop({"", ""});
  EXPECT_EQ(stop.push("any text"), "any text");
  EXPECT_FALSE(stop.stopped());
}

TEST(stop_strings, the_cut_does_not_depend_on_the_pieces) {
  std::mt19937 random(3);
  auto const word = [&](std::size_t most) {
    std::string s;
    for (auto length = 1 + random() % most; length > 0; --length) s += static_cast<char>('a' + random() % 2);
    return s;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> strings;
    for (auto n = 1 + random() % 3; n > 0; --n) strings.push_back(word(7));
    auto const text = word(40);
    bool const include = random() % 2;
    stop_strings stop(strings, include);
    std::string told, given;
    while (given.size() < text.size()) {
      auto const piece = text.substr(given.size(), 1 + random() % 6);
      told += stop.push(piece);
      given += piece;
      ASSERT_TRUE(text.starts_with(told));
    }
    if (!stop.stopped()) told += stop.finish();
    EXPECT_EQ(told, cut(text, strings, include)) << text;
  }
}
