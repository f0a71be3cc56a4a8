#pragma once
/// @file
/// Whole files.

#include <gpuplace/core/result.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace gpuplace::text {

/// Errors:     errc::not_found, errc::unreadable
inline result<std::string> file_text(std::filesystem::path const& path) {
  std::error_code failed;
  auto const size = std::filesystem::file_size(path, failed);
  if (failed == std::errc::no_such_file_or_directory)
    return error{errc::not_found, "no such file", path.string(), "name a checkpoint folder with a " + path.filename().string()};
  std::ifstream in(path, std::ios::binary);
  if (failed || !in) return error{errc::unreadable, "cannot be read", path.string()};
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) return error{errc::unreadable, "ends early", path.string()};
  return text;
}

}  // namespace gpuplace::text
