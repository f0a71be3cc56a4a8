#include "plugins.hpp"

#include <gpuplace/plugin/load_plugin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <vector>

namespace gpuplace::cli {

namespace {

std::string known_names(CLI::App const& command, registries const& known) {
  auto text = "Allocations:\n" + known.allocations.help() + "Partitions:\n" + known.partitions.help();
  if (command.get_option_no_throw("--routing")) text += "Routers:\n" + known.routings.help();
  if (!known.backends.entries().empty()) text += "Backends of plugins:\n" + known.backends.help();
  return text;
}

}  // namespace

void add_plugin_option(CLI::App& command, std::shared_ptr<registries> const& known) {
  auto const load = [known](std::vector<std::string> const& files) {
    for (auto const& file : files) load_plugin(file, *known).value();
  };
  command
      .add_option_function<std::vector<std::string>>(
          "--plugin", load, "A shared library with strategies or backends of your own; may be given several times")
      ->allow_extra_args(false)
      ->type_name("FILE");
  command.footer([known, &command] { return known_names(command, *known); });
}

result<std::filesystem::path> own_library(std::string_view file) {
  std::error_code failed;
  auto const folder = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
  auto const beside = folder / file;
  auto const installed = (folder / GPUPLACE_PLUGIN_FOLDER / file).lexically_normal();
  for (auto const& at : {beside, installed})
    if (std::filesystem::exists(at, failed)) return at;
  return error{errc::not_found, fmt::format("the plugin {} that came with this command is missing", file),
               fmt::format("neither {} nor {}", beside.string(), installed.string()), "build or install it again"};
}

result<void> load_own_plugin(std::string_view file, registries& to) {
  GPUPLACE_TRY(auto const path, own_library(file));
  return load_plugin(path, to);
}

}  // namespace gpuplace::cli
