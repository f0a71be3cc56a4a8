#pragma once
/// @file
/// A shared library that stays loaded for as long as somebody holds it.

#include <gpuplace/core/result.hpp>

// Boost.DLL would need a compiled Boost.Filesystem without this.
#ifndef BOOST_DLL_USE_STD_FS
#define BOOST_DLL_USE_STD_FS
#endif
#include <boost/dll/shared_library.hpp>

#include <dlfcn.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpuplace::detail {

/// Whether a 64-bit ELF file ends before the table of sections that its header promises, as after a copy that was cut short.
/// The dynamic linker would map what is not there and the process would die of it. Other files are left to the linker.
/// Source:     System V ABI, ELF-64 object file format: e_shoff at 40, e_shentsize at 58, e_shnum at 60
inline bool is_cut_short(std::filesystem::path const& file) {
  std::array<char, 64> header{};
  std::ifstream in(file, std::ios::binary);
  bool const whole_header = static_cast<bool>(in.read(header.data(), header.size()));
  if (!std::string_view(header.data(), 5)
           .starts_with("\x7f"
                        "ELF\x02"))
    return false;
  std::uint64_t table = 0;
  std::uint16_t size = 0;
  std::uint16_t count = 0;
  std::memcpy(&table, &header[40], sizeof table);
  std::memcpy(&size, &header[58], sizeof size);
  std::memcpy(&count, &header[60], sizeof count);
  std::error_code failed;
  auto const length = std::filesystem::file_size(file, failed);
  return !whole_header || failed || table > length || std::uint64_t{size} * count > length - table;
}

/// Loads `file`, all its symbols resolved, none offered to other libraries.
/// Errors:     errc::not_found, errc::unreadable with the dynamic linker's reason
inline result<std::shared_ptr<boost::dll::shared_library>> open_library(std::filesystem::path const& file) {
  std::error_code failed;
  if (!std::filesystem::exists(file, failed))
    return error{errc::not_found, "no such file", file.string(), "name a plugin's shared library (.so)"};
  if (!std::filesystem::is_regular_file(file, failed))
    return error{errc::unreadable, "is not a file", file.string(), "name a plugin's shared library (.so)"};
  if (is_cut_short(file)) return error{errc::unreadable, "is cut short", file.string(), "build or copy it again"};
  using boost::dll::load_mode::rtld_local;
  using boost::dll::load_mode::rtld_now;
  auto library = std::make_shared<boost::dll::shared_library>(file, rtld_now | rtld_local, failed);
  if (!failed) return library;
  auto const* const reason = ::dlerror();
  return error{errc::unreadable, "cannot be loaded: " + (reason ? std::string(reason) : failed.message()), file.string(),
               "a plugin is a shared library for this kind of machine, and finds the libraries that it needs"};
}

}  // namespace gpuplace::detail
