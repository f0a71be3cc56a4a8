#pragma once
/// @file
/// What a plugin exports.

#include <gpuplace/plugin/abi_tag.hpp>
#include <gpuplace/plugin/registries.hpp>

#include <string>

namespace gpuplace {

/// What a plugin hands over: what it was built with, and the function that adds its strategies and backends.
/// `abi` comes first in every version: it is all that a program reads of a plugin that was built otherwise.
struct plugin_entry {
  char const* abi = nullptr;
  result<void> (*add)(registries& to) = nullptr;
};

/// The name of the one function that a plugin exports.
inline constexpr char const* plugin_symbol = "gpuplace_plugin";

/// The entry of a plugin whose strategies `Add` registers. An author writes
///
///     extern "C" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_strategies>(); }
///
/// @tparam Add  a `result<void>(registries&)`: one call of registry::add for each strategy. Where it fails, nothing is added.
template <auto Add>
plugin_entry plugin_of() {
  static std::string const tag = abi_tag();
  return {tag.c_str(), Add};
}

}  // namespace gpuplace
