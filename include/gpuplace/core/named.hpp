#pragma once
/// @file
/// Strategies and backends carry the name that spec strings call them by.

#include <concepts>
#include <string_view>

namespace gpuplace {

/// `S::name` is what a spec string calls a strategy or backend.
template <class S>
concept has_name = requires {
  { S::name } -> std::convertible_to<std::string_view>;
};

}  // namespace gpuplace
