#pragma once
// --config: a command's options from a JSON file.

namespace CLI {
class App;
}

namespace gpuplace::cli {

// Adds --config to a subcommand. It must be the first option added: the file's values are put to the other options before
// these are looked at, and only where the command line has none.
void add_config_option(CLI::App& command);

}  // namespace gpuplace::cli
