#pragma once
/// @file
/// A JSON file as a result: a missing, unreadable or broken file is an error that names the file and the line.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <gpuplace/core/result.hpp>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpuplace {

/// Parses `text`; `origin` is the file that errors name.
/// Errors:     errc::malformed with `origin:line`
inline result<nlohmann::json> parse_json(std::string_view text, std::string const& origin) {
  try {
    return {boost::system::in_place_value, nlohmann::json::parse(text)};
  } catch (nlohmann::json::parse_error const& e) {
    auto const read = std::min(e.byte, text.size());
    auto const line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(read), '\n');
    return error{errc::malformed, "is not valid JSON", origin + ':' + std::to_string(line),
                 "the file may be cut short; fetch it again"};
  } catch (nlohmann::json::exception const& e) {
    return error{errc::malformed, std::string("is not valid JSON: ") + e.what(), origin, {}};
  }
}

/// Reads a whole file.
/// Errors:     errc::not_found, errc::unreadable
inline result<std::string> read_text_file(std::filesystem::path const& path) {
  std::error_code failed;
  auto const status = std::filesystem::status(path, failed);
  if (!std::filesystem::exists(status)) return error{errc::not_found, "no such file", path.string(), {}};
  if (std::filesystem::is_directory(status)) return error{errc::unreadable, "is a folder, not a file", path.string(), {}};
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return error{errc::unreadable, "cannot be read", path.string(), "check its permissions"};
  return text;
}

/// Reads and parses a JSON file.
/// Errors:     errc::not_found, errc::unreadable, errc::malformed
inline result<nlohmann::json> read_json_file(std::filesystem::path const& path) {
  GPUPLACE_TRY(auto const text, read_text_file(path));
  return parse_json(text, path.string());
}

}  // namespace gpuplace
