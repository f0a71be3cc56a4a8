// gpuplace doctor: what is right and wrong with this machine, and what to do.

#include "../command.hpp"
#include "gather.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace gpuplace::cli {

namespace {

struct doctor_options {
  std::string ports = "8001-8008";
  std::string model;
  std::string format = "text";
};

exit_code examine_machine(doctor_options const& options) {
  auto const ports = parse_ports(options.ports);
  if (!ports) return fail(ports.error());
  auto const findings = examine(gather(*ports, options.model));
  fmt::print("{}", options.format == "json" ? to_json(findings) : to_text(findings));
  bool const failed = std::ranges::find(findings, verdict::fail, &finding::how) != findings.end();
  return failed ? exit_code::failure : exit_code::success;
}

}  // namespace

void add_doctor(CLI::App& app, action& chosen) {
  auto options = std::make_shared<doctor_options>();
  auto* const command = app.add_subcommand("doctor", "Check driver, GPUs, libraries, ports, model and disk, and say what to do");
  command->footer(
      "Examples:\n"
      "  gpuplace doctor\n"
      "  gpuplace doctor --model Qwen/Qwen3-8B --ports 8000,8101-8104 --format json\n"
      "Exits with 1 where a check fails; warnings and what is skipped do not count.");
  command->add_option("--ports", options->ports, "Ports that servers are to listen on")->type_name("LIST")->capture_default_str();
  command->add_option("--model", options->model, "A model that is to be run: its files are looked at")->type_name("M");
  command->add_option("--format", options->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return examine_machine(*options); }; });
}

}  // namespace gpuplace::cli
