#include <gpuplace/plugin/spec.hpp>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

using namespace gpuplace;

namespace {

spec read(std::string_view text) {
  auto const s = parse_spec(text);
  EXPECT_TRUE(s) << s.error();
  return s ? *s : spec{};
}

/// The column of the caret in the message, counted from the text's first character.
std::size_t caret(error const& e) {
  auto const line = e.what.rfind('\n');
  return e.what.size() - 1 - (line + 1 + 4);
}

}  // namespace

TEST(parse_spec, reads_names_with_and_without_arguments) {
  EXPECT_EQ(read("even"), (spec{"even", {}}));
  EXPECT_EQ(read(" even ( ) "), (spec{"even", {}}));
  EXPECT_EQ(read("balanced_low_0"), (spec{"balanced_low_0", {}}));
  EXPECT_EQ(read("acme.best-fit"), (spec{"acme.best-fit", {}}));
  EXPECT_EQ(read("ratio(6:2)"), (spec{"ratio", {{"", "6:2"}}}));
  EXPECT_EQ(read("data_parallel( 4 )"), (spec{"data_parallel", {{"", "4"}}}));
  EXPECT_EQ(read("optimal(latency)"), (spec{"optimal", {{"", "latency"}}}));
}

TEST(parse_spec, reads_keys_nested_specs_and_quotes) {
  EXPECT_EQ(read("x(a, b=3, nested(1,2))"), (spec{"x", {{"", "a"}, {"b", "3"}, {"", "nested(1,2)"}}}));
  EXPECT_EQ(read("x(of = a(b(c), d=e) , k=v=w)"), (spec{"x", {{"of", "a(b(c), d=e)"}, {"k", "v=w"}}}));
  EXPECT_EQ(read(R"~(manual("a, (b\"\\.json"))~"), (spec{"manual", {{"", R"~(a, (b"\.json)~"}}}));
  EXPECT_EQ(read(R"~(manual(file="", f(")")))~"), (spec{"manual", {{"file", ""}, {"", R"~(f(")"))~"}}}));
  EXPECT_EQ(read("x(größe)"), (spec{"x", {{"", "größe"}}}));
}

TEST(parse_spec, points_at_what_is_wrong) {
  struct wrong {
    std::string text;
    std::size_t character;
    std::string says;
  };
  for (auto const& [text, character, says] : std::vector<wrong>{
           {"", 1, "a name is missing"},
           {"  (4)", 3, "a name is missing"},
           {"4x", 1, "a name is missing"},
           {"ratio(6:2", 10, "',' or ')' is missing"},
           {"ratio(6:2))", 11, "should end here"},
           {"ratio 6:2", 7, "should end here"},
           {"x(a,)", 5, "an argument is missing"},
           {"x(,a)", 3, "an argument is missing"},
           {"x(k=)", 5, "an argument is missing"},
           {"x(f(1)", 7, "',' or ')' is missing"},
           {"x(f(1", 6, "')' is missing"},
           {"x(\"a", 3, "never closed"},
           {"x(\"a\" b)", 7, "',' or ')' is missing"},
           {"x(a\nb)", 4, "control character"},
       }) {
    auto const s = parse_spec(text);
    ASSERT_TRUE(s.has_error()) << text;
    EXPECT_EQ(s.error().code, errc::invalid_argument);
    EXPECT_NE(s.error().what.find(says), std::string::npos) << text << " gave " << s.error();
    EXPECT_NE(s.error().where.find("character " + std::to_string(character)), std::string::npos) << text << " gave " << s.error();
    EXPECT_EQ(caret(s.error()), character - 1) << text;
  }
}

TEST(parse_spec, shows_the_line_and_counts_characters_not_bytes) {
  auto const s = parse_spec("x(größe(1)");
  ASSERT_TRUE(s.has_error());
  EXPECT_EQ(s.error().what, "',' or ')' is missing\n    x(größe(1)\n              ^");
}

TEST(parse_spec, refuses_what_is_too_long) {
  EXPECT_TRUE(parse_spec("x(" + std::string(longest_spec - 3, 'a') + ")"));
  auto const s = parse_spec("x(" + std::string(longest_spec - 2, 'a') + ")");
  ASSERT_TRUE(s.has_error());
  EXPECT_LT(s.error().message().size(), 200U);
}

TEST(to_string, writes_quotes_only_where_they_are_needed) {
  EXPECT_EQ(to_string(read("x( a , b = 3, nested(1, 2) )")), "x(a,b=3,nested(1, 2))");
  EXPECT_EQ(to_string(read("even()")), "even");
  EXPECT_EQ(to_string(read(R"~(x("plain"))~")), "x(plain)");
  EXPECT_EQ(to_string(spec{"x", {{"", "b=3"}, {"", ""}, {"k", "b=3"}, {"", "a,b"}, {"", " a"}, {"", ")"}}}),
            R"~(x("b=3","",k=b=3,"a,b"," a",")"))~");
}

TEST(spec, survives_a_round_trip_whatever_its_texts) {
  std::mt19937 random(7);
  std::string const letters = "ab0=,:()\"\\ \t\n\xc3\xbc.";
  auto const any_text = [&](std::string const& from, std::size_t longest) {
    std::string text;
    for (auto n = random() % (longest + 1); n > 0; --n) text += from[random() % from.size()];
    return text;
  };
  for (int i = 0; i < 20000; ++i) {
    spec made{"n" + any_text("ab_0-.", 5), {}};
    for (auto n = random() % 4; n > 0; --n)
      made.arguments.push_back({random() % 2 ? "" : "k" + any_text("ab_0-.", 3), any_text(letters, 8)});
    auto const back = parse_spec(to_string(made));
    ASSERT_TRUE(back) << to_string(made) << '\n' << back.error();
    ASSERT_EQ(*back, made) << to_string(made);
  }
}

TEST(parse_spec, takes_any_bytes_and_settles_after_one_round) {
  std::mt19937 random(11);
  std::string const likely = "ab1=,:()\"\\ ";
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text = random() % 2 ? "a(" : "";
    for (auto n = random() % 16; n > 0; --n)
      text += random() % 8 ? likely[random() % likely.size()] : static_cast<char>(random() % 256);
    auto const s = parse_spec(text);
    if (!s) {
      ASSERT_FALSE(s.error().where.empty());
      continue;
    }
    ++accepted;
    auto const back = parse_spec(to_string(*s));
    ASSERT_TRUE(back) << text << " became " << to_string(*s);
    ASSERT_EQ(*back, *s);
    ASSERT_EQ(to_string(*back), to_string(*s));
  }
  EXPECT_GT(accepted, 1000);
}

TEST(spec, gives_typed_arguments) {
  auto const s = read("x(4, 6:2, 0.5, f(1), name=n, big=-9223372036854775808)");
  EXPECT_EQ(s.integer(0).value(), 4);
  EXPECT_EQ(s.integers(1).value(), (std::vector<std::int64_t>{6, 2}));
  EXPECT_EQ(s.integers(0).value(), (std::vector<std::int64_t>{4}));
  EXPECT_EQ(s.number(2).value(), 0.5);
  EXPECT_EQ(s.number(0).value(), 4.0);
  EXPECT_EQ(s.inner(3).value(), read("f(1)"));
  EXPECT_EQ(s.text("name").value(), "n");
  EXPECT_EQ(s.integer("big").value(), INT64_MIN);
  EXPECT_EQ(s.find(4), nullptr);
  EXPECT_EQ(s.find("other"), nullptr);
}

TEST(spec, counts_positions_over_arguments_without_a_key) {
  auto const s = read("x(k=1, 2, j=3, 4)");
  EXPECT_EQ(s.integer(0).value(), 2);
  EXPECT_EQ(s.integer(1).value(), 4);
}

TEST(spec, names_strategy_and_argument_when_it_refuses) {
  auto const s = read("x(six, 6:, 6:2:x, nan, \"f(\", k=7)");
  EXPECT_EQ(s.integer(0).error().where.substr(0, 6), "x(six,");
  EXPECT_TRUE(s.integer(0).error().where.ends_with(", argument 1"));
  EXPECT_EQ(s.integer(0).error().what, "'six' is not a whole number");
  EXPECT_EQ(s.integers(1).error().what, "'' is not a whole number");
  EXPECT_EQ(s.integers(2).error().what, "'x' is not a whole number");
  EXPECT_EQ(s.number(3).error().what, "'nan' is not a number");
  EXPECT_EQ(s.inner(4).error().code, errc::invalid_argument);
  EXPECT_TRUE(s.integer("n").error().where.ends_with("argument 'n'"));
  EXPECT_EQ(read("x(7)").integer(0, 8).error().what, "7 is less than the least, 8");
  EXPECT_EQ(read("x(7)").integer(0, 0, 6).error().what, "7 is more than the most, 6");
  EXPECT_EQ(read("x(99999999999999999999)").integer(0).error().what, "'99999999999999999999' is not a whole number");
  EXPECT_EQ(read("x(4 4)").integer(0).error().what, "'4 4' is not a whole number");
}

TEST(spec, refuses_arguments_that_are_not_taken) {
  EXPECT_TRUE(read("x(1, k=2)").allow(1, {"k"}));
  EXPECT_TRUE(read("x").allow(0));
  EXPECT_EQ(read("x(1)").allow(0).error().what, "x takes no such argument");
  EXPECT_TRUE(read("x(1, 2, 3)").allow(2).error().where.ends_with("argument 3"));
  EXPECT_TRUE(read("x(k=1)").allow(0, {"l", "m"}).error().where.ends_with("argument 'k'"));
  EXPECT_EQ(read("x(k=1, k=2)").allow(0, {"k"}).error().what, "is given twice");
}
