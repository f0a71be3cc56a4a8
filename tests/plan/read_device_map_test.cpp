#include <gpuplace/plan/read_device_map.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace gpuplace;

namespace {
std::string written(std::string_view text) {
  auto const map = parse_device_map(text);
  if (!map) return map.error().message();
  std::string out = map->partition;
  for (auto const& m : map->modules) {
    out += (out.empty() ? "" : " ") + m.module + "=";
    for (auto const& d : m.devices) out += to_string(d) + ";";
  }
  return out;
}
}  // namespace

TEST(read_device_map, every_form_of_a_device) {
  EXPECT_EQ(written("cuda:0"), "=\"cuda:0\";");
  EXPECT_EQ(written("cuda"), "=\"cuda:0\";");
  EXPECT_EQ(written("3"), "=3;");
  EXPECT_EQ(written(R"({"": "3"})"), "=3;");
  EXPECT_EQ(written("cpu"), "=\"cpu\";");
  EXPECT_EQ(written("cpu:1"), "=\"cpu:1\";");
  EXPECT_EQ(written("node1/cuda:3, cuda:1"), "=\"node1/cuda:3\";\"cuda:1\";");
}

TEST(read_device_map, names_of_partitions) {
  EXPECT_EQ(written("auto"), "balanced");
  EXPECT_EQ(written("balanced"), "balanced");
  EXPECT_EQ(written("balanced_low_0"), "balanced_low_0");
  EXPECT_EQ(written(R"("sequential")"), "sequential");
}

TEST(read_device_map, maps_keep_the_order_of_their_entries) {
  EXPECT_EQ(written(R"({"b": 1, "a": "cuda:0", "": [0, 1]})"), "b=1; a=\"cuda:0\"; =0;1;");
  EXPECT_EQ(written("{'b': 1, 'a': 'cuda:0'}"), "b=1; a=\"cuda:0\";");
}

TEST(read_device_map, says_what_is_wrong_and_where) {
  struct {
    char const* text;
    errc code;
    char const* says;
  } const cases[] = {{"", errc::invalid_argument, "empty"},
                     {"gpu", errc::invalid_argument, "'gpu' is not a device"},
                     {"cuda:0,,cuda:1", errc::invalid_argument, "not a device"},
                     {"cuda:0,cuda:0", errc::invalid_argument, "twice"},
                     {"cuda:-1", errc::invalid_argument, "not a device"},
                     {"-1", errc::invalid_argument, "not a device"},
                     {"99999999999", errc::invalid_argument, "not a device"},
                     {"{", errc::malformed, "JSON"},
                     {"{}", errc::invalid_argument, "empty"},
                     {"[]", errc::invalid_argument, "empty"},
                     {R"({"a": 0, "a": 1})", errc::malformed, "twice"},
                     {R"({"a": -1})", errc::invalid_argument, "device_map, 'a': -1 is no device"},
                     {R"({"a": 1.5})", errc::invalid_argument, "1.5 is no device"},
                     {R"({"a": 99999999999})", errc::invalid_argument, "is no device"},
                     {R"({"a": null})", errc::invalid_argument, "null is no device"},
                     {R"({"a": true})", errc::invalid_argument, "true is no device"},
                     {R"({"a": [0, 1]})", errc::unsupported, "only the whole model"},
                     {R"({"target": {"": 0}})", errc::unsupported, "a map of its own"},
                     {R"({"a": "disk"})", errc::unsupported, "disk"},
                     {R"({"a": "mps"})", errc::unsupported, "mps"},
                     {R"({"a": "xpu:0"})", errc::unsupported, "xpu:0"},
                     {R"({"a": "meta"})", errc::unsupported, "meta"}};
  for (auto const& c : cases) {
    auto const map = parse_device_map(c.text);
    ASSERT_TRUE(map.has_error()) << c.text;
    EXPECT_EQ(map.error().code, c.code) << c.text;
    EXPECT_NE(map.error().message().find(c.says), std::string::npos) << c.text << ": " << map.error();
    EXPECT_FALSE(map.error().remedy.empty()) << c.text;
  }
}

TEST(read_device_map, a_file_is_read_where_the_text_is_no_map) {
  auto const path = std::filesystem::temp_directory_path() / "gpuplace_device_map_test.json";
  std::ofstream(path) << "{\"\": 1}\n";
  EXPECT_EQ(read_device_map(path.string()).value().modules.front().devices.front().id.index, 1);
  std::ofstream(path) << "{\"\": 1,,}\n";
  EXPECT_EQ(read_device_map(path.string()).error().where, path.string() + ":1");
  std::filesystem::remove(path);
  EXPECT_EQ(read_device_map(path.string()).error().code, errc::invalid_argument);
}

TEST(module_map, canonical_names) {
  using detail::canonical_module;
  EXPECT_EQ(canonical_module("model.layers.3"), "model.layers.3");
  EXPECT_EQ(canonical_module("model.language_model.layers.3"), "model.layers.3");
  EXPECT_EQ(canonical_module("model.language_model"), "model.language_model");
  EXPECT_EQ(canonical_module("language_model.model.norm"), "model.norm");
  EXPECT_EQ(canonical_module("language_model.lm_head"), "lm_head");
  EXPECT_EQ(canonical_module("transformer.h.3.attn"), "model.layers.3.attn");
  EXPECT_EQ(canonical_module("transformer.hidden"), "model.hidden");
  EXPECT_EQ(canonical_module("model.visual.blocks.3"), "visual.blocks.3");
  EXPECT_EQ(canonical_module("base_model.model.model.layers.0"), "model.layers.0");
  EXPECT_EQ(canonical_module(""), "");
}
