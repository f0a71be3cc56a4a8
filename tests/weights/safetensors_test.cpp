#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <gpuplace/weights/safetensors.hpp>
#include <string>
#include <utility>
#include <vector>

#include "weights/tiny_files.hpp"

using namespace gpuplace;
using namespace gpuplace::testing_tools;
using nlohmann::json;

namespace {

std::vector<owned_tensor> some_tensors() {
  return {make_tensor("b.weight", element_type::bf16, {3, 5}), make_tensor("a", element_type::f32, {2, 2, 2}),
          make_tensor("scalar", element_type::i64, {}), make_tensor("none", element_type::f16, {0, 4}),
          make_tensor("flags", element_type::boolean, {7})};
}

/// The bytes of a file with this header and so many bytes of data.
std::string file_with(std::string const& header, std::size_t data) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return text + header + std::string(data, 'x');
}

void expect_refused(std::string const& content, errc code, std::string const& part) {
  temporary_folder const folder;
  auto const path = folder.write("w.safetensors", content);
  auto const file = open_safetensors(path);
  ASSERT_TRUE(file.has_error()) << part;
  EXPECT_EQ(file.error().code, code) << file.error();
  EXPECT_NE(file.error().message().find(part), std::string::npos) << file.error();
  EXPECT_NE(file.error().where.find(path.string()), std::string::npos) << file.error();
}

json entry(char const* type, json shape, json offsets) {
  return {{"dtype", type}, {"shape", std::move(shape)}, {"data_offsets", std::move(offsets)}};
}
void expect_tensor_refused(json const& wrong, errc code, std::string const& part) {
  expect_refused(file_with(json{{"t.weight", wrong}}.dump(), 16), code, part);
  expect_refused(file_with(json{{"t.weight", wrong}}.dump(), 16), code, "'t.weight'");
}

}  // namespace

TEST(safetensors, what_is_written_reads_back) {
  temporary_folder const folder;
  auto const tensors = some_tensors();
  ASSERT_TRUE(write_tensors(folder.path() / "w", tensors).has_value());
  auto const moved = open_safetensors(folder.path() / "w").value();
  ASSERT_EQ(moved.tensors().size(), tensors.size());
  for (auto const& tensor : tensors) {
    auto const* const view = moved.find(tensor.name);
    ASSERT_NE(view, nullptr) << tensor.name;
    EXPECT_EQ(view->type, tensor.type);
    EXPECT_EQ(view->shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(view->data, tensor.data)) << tensor.name;
  }
  EXPECT_EQ(moved.find("scalar")->elements(), 1);
  EXPECT_EQ(moved.find("absent"), nullptr);
  EXPECT_EQ(moved.find(""), nullptr);
}

TEST(safetensors, views_outlive_a_move_of_the_file) {
  temporary_folder const folder;
  ASSERT_TRUE(write_tensors(folder.path() / "w", some_tensors()).has_value());
  auto file = open_safetensors(folder.path() / "w").value();
  auto const before = *file.find("a");
  auto const second = std::move(file);
  EXPECT_EQ(before.name, "a");
  EXPECT_EQ(second.find("a")->data.data(), before.data.data());
}

TEST(safetensors, the_layout_is_that_of_the_format) {
  temporary_folder const folder;
  std::array const one{make_tensor("w", element_type::f16, {2})};
  ASSERT_TRUE(write_tensors(folder.path() / "w", one).has_value());
  auto const text = read_text_file(folder.path() / "w").value();
  auto const length = static_cast<std::size_t>(static_cast<unsigned char>(text[0]));
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(text.size(), 8 + length + 4);
  auto const header = json::parse(text.substr(8, length));
  EXPECT_EQ(header["w"], entry("F16", {2}, {0, 4}));
  EXPECT_EQ(header["__metadata__"]["format"], "pt");
}

TEST(safetensors, a_view_that_lies_is_not_written) {
  temporary_folder const folder;
  auto wrong = make_tensor("w", element_type::f16, {2});
  wrong.shape = {3};
  EXPECT_EQ(write_tensors(folder.path() / "w", std::array{wrong}).error().code, errc::invalid_argument);
  auto const twice = make_tensor("w", element_type::f16, {2});
  EXPECT_EQ(write_tensors(folder.path() / "w", std::array{twice, twice}).error().code, errc::invalid_argument);
  EXPECT_TRUE(write_tensors(folder.path() / "no" / "folder", std::array{twice}).has_error());
}

TEST(safetensors, files_that_are_none) {
  temporary_folder const folder;
  EXPECT_EQ(open_safetensors(folder.path() / "absent").error().code, errc::not_found);
  EXPECT_EQ(open_safetensors(folder.path()).error().code, errc::unreadable);
  expect_refused("", errc::malformed, "too short");
  expect_refused("1234567", errc::malformed, "too short");
  expect_refused("version https://git-lfs.github.com/spec/v1", errc::malformed, "not a safetensors file");
  expect_refused(file_with("{}", 0).replace(0, 1, "\x7f"), errc::malformed, "ends inside its header");
  expect_refused(file_with("[]", 0), errc::malformed, "not an object");
  expect_refused(file_with("{\"a\":", 0), errc::malformed, "not valid JSON");
  expect_refused(file_with(std::string(100000, '['), 0), errc::malformed, "not valid JSON");
  expect_refused(file_with("{}", 3), errc::malformed, "3 bytes that belong to no tensor");
}

TEST(safetensors, headers_that_lie_about_a_tensor) {
  expect_tensor_refused(json::array(), errc::malformed, "not an object");
  expect_tensor_refused({{"dtype", 7}}, errc::malformed, "no 'dtype'");
  expect_tensor_refused(entry("F33", {4}, {0, 16}), errc::unsupported, "F33");
  expect_tensor_refused(entry("F32", "4", {0, 16}), errc::malformed, "'shape'");
  expect_tensor_refused(entry("F32", json::array({-4}), {0, 16}), errc::malformed, "'shape'");
  expect_tensor_refused(entry("F32", json::array({0xffffffffffffffffu}), {0, 16}), errc::malformed, "'shape'");
  expect_tensor_refused(entry("F32", json::array({4}), json::array({0})), errc::malformed, "'data_offsets'");
  expect_tensor_refused(entry("F32", json::array({4}), {16, 0}), errc::malformed, "'data_offsets'");
  expect_tensor_refused(entry("F32", json::array({5}), {0, 20}), errc::malformed, "ends at byte 20, but the file holds 16");
  expect_tensor_refused(entry("F32", json::array({3}), {0, 16}), errc::malformed, "not those of F32 [3]");
  auto const wide = std::int64_t{1} << 40;
  expect_tensor_refused(entry("F32", {wide, wide, wide}, {0, 16}), errc::malformed, "not those of F32");
  expect_tensor_refused(entry("F32", json::array({3}), {4, 16}), errc::malformed, "gap");
}

TEST(safetensors, tensors_may_not_overlap) {
  json const header{{"a", entry("U8", json::array({10}), {0, 10})}, {"b", entry("U8", json::array({8}), {8, 16})}};
  expect_refused(file_with(header.dump(), 16), errc::malformed, "'b' overlaps");
}

TEST(safetensors, a_file_cut_anywhere_is_refused) {
  temporary_folder const folder;
  ASSERT_TRUE(write_tensors(folder.path() / "w", some_tensors()).has_value());
  auto const whole = read_text_file(folder.path() / "w").value();
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_TRUE(open_safetensors(folder.write("cut", std::string_view(whole).substr(0, length))).has_error()) << length;
}

TEST(safetensors, a_broken_header_never_breaks_the_reader) {
  temporary_folder const folder;
  ASSERT_TRUE(write_tensors(folder.path() / "w", some_tensors()).has_value());
  auto const whole = read_text_file(folder.path() / "w").value();
  auto const header_end = 8 + static_cast<std::size_t>(static_cast<unsigned char>(whole[0])) +
                          (static_cast<std::size_t>(static_cast<unsigned char>(whole[1])) << 8);
  for (std::size_t at = 0; at < header_end; ++at)
    for (char const flip : {'\x01', '\x10', '\x80'}) {
      auto broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ flip);
      auto const file = open_safetensors(folder.write("broken", broken));
      if (!file) continue;
      std::size_t total = 0;
      for (auto const& tensor : file->tensors()) total += std::vector(tensor.data.begin(), tensor.data.end()).size();
      EXPECT_EQ(total, whole.size() - header_end) << "what is accepted can be read and covers the file";
    }
}
