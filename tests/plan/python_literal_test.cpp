#include <gpuplace/plan/python_literal.hpp>

#include <gtest/gtest.h>

using namespace gpuplace;

TEST(python_literal, json_stays_as_it_is) {
  for (auto const* text : {R"({"a": 1, "b": [1, 2, 3], "c's": "it's {0: 'x'}"})", "[0, 1]", "12", "", "{", "\"", R"("\"'")"})
    EXPECT_EQ(json_of_python(text), text);
}

TEST(python_literal, quotes_and_bare_keys) {
  EXPECT_EQ(json_of_python("{0: '70GiB', 1:'60GiB'}"), R"({"0": "70GiB", "1":"60GiB"})");
  EXPECT_EQ(json_of_python("{'': [0, 1]}"), R"({"": [0, 1]})");
  EXPECT_EQ(json_of_python(R"({'a"b': 'it\'s'})"), R"({"a\"b": "it's"})");
  EXPECT_EQ(json_of_python("{'unclosed: 1}"), "{'unclosed: 1}");
}

TEST(python_literal, keys_keep_their_order_and_must_be_different) {
  auto const read = parse_json_or_python("{'b': 1, 'a': 2}", "x").value();
  EXPECT_EQ(read.begin().key(), "b");
  EXPECT_EQ(parse_json_or_python("{0: 1, '0': 2}", "x").error().code, errc::malformed);
  EXPECT_EQ(parse_json_or_python(std::string(1000, '['), "x").error().code, errc::malformed);
}
