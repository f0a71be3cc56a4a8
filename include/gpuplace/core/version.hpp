#pragma once
/// @file
/// The version of these headers.

#include <string_view>

namespace gpuplace {

/// Major, minor and patch of the headers that a file was compiled with.
inline constexpr std::string_view library_version = "0.1.0";

}  // namespace gpuplace
