// The gpuplace command: topo, plan, run, bench and doctor.

#include "command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <exception>

namespace gpuplace::cli {

exit_code fail(error const& e) {
  fmt::print(stderr, "gpuplace: {}\n", e.message());
  return exit_code::failure;
}

namespace {

int run_command(int argc, char** argv) {
  CLI::App app{
      "gpuplace decides where models go in a graph of GPUs, and runs them there.\n"
      "  gpuplace topo                                    what is in this machine, and how it is linked\n"
      "  gpuplace plan --model preset:qwen3-8b --topology preset:dgx-h100 --allocation 'data_parallel(8)'\n"
      "  gpuplace run  --model DIR --prompts FILE         plan, load, answer every prompt\n"
      "  gpuplace bench scaling --model DIR               how speed grows with devices\n"
      "  gpuplace doctor                                  what is wrong with this machine, and what to do",
      "gpuplace"};
  app.set_version_flag("--version", std::string(GPUPLACE_VERSION));
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  action chosen;
  add_topo(app, chosen);
  add_plan(app, chosen);
  add_run(app, chosen);
  add_bench(app, chosen);
  add_doctor(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    return app.exit(e) == 0 ? static_cast<int>(exit_code::success) : static_cast<int>(exit_code::wrong_usage);
  }
  return static_cast<int>(chosen());
}

}  // namespace
}  // namespace gpuplace::cli

int main(int argc, char** argv) {
  try {
    return gpuplace::cli::run_command(argc, argv);
  } catch (std::exception const& e) {
    fmt::print(stderr, "gpuplace: {}\n", e.what());
    return static_cast<int>(gpuplace::cli::exit_code::failure);
  }
}
