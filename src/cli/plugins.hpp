#pragma once
// Strategies and backends that come from shared libraries: those that --plugin names, and those that come with the command.

#include <gpuplace/plugin/registries.hpp>

#include <filesystem>
#include <memory>
#include <string_view>

namespace CLI {
class App;
}

namespace gpuplace::cli {

// Adds --plugin to a subcommand; what the files bring joins `known` before help is shown and before any spec is read, and the
// subcommand's help lists all that is known by name.
void add_plugin_option(CLI::App& command, std::shared_ptr<registries> const& known);

// Where a library that comes with the command is: in its folder, or where it is installed. errc::not_found where it is in neither.
result<std::filesystem::path> own_library(std::string_view file);

// Loads a plugin that comes with the command.
result<void> load_own_plugin(std::string_view file, registries& to);

}  // namespace gpuplace::cli
