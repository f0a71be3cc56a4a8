#pragma once
// Strategies and backends that come from shared libraries: those that --plugin names, and those that come with the command.

#include <gpuplace/plugin/registries.hpp>

#include <memory>
#include <string_view>

namespace CLI {
class App;
}

namespace gpuplace::cli {

// Adds --plugin to a subcommand; what the files bring joins `known` before help is shown and before any spec is read, and the
// subcommand's help lists all that is known by name.
void add_plugin_option(CLI::App& command, std::shared_ptr<registries> const& known);

// Loads a plugin that comes with the command: from its folder, or where it is installed.
result<void> load_own_plugin(std::string_view file, registries& to);

}  // namespace gpuplace::cli
