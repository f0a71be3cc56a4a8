#pragma once
// What the subcommands share: how they join the command line and how they end.

#include <gpuplace/core/result.hpp>

#include <functional>

namespace CLI {
class App;
}

namespace gpuplace::cli {

// Exit codes that scripts rely on.
enum class exit_code { success = 0, failure = 1, wrong_usage = 2, interrupted = 130 };

// Set by the subcommand that was chosen, run after the whole command line is read.
using action = std::function<exit_code()>;

void add_topo(CLI::App& app, action& chosen);
void add_plan(CLI::App& app, action& chosen);
void add_run(CLI::App& app, action& chosen);
void add_bench(CLI::App& app, action& chosen);
void add_doctor(CLI::App& app, action& chosen);

// Prints what went wrong and what to do about it.
exit_code fail(error const& e);

// The exit code of a finished command; prints its error.
inline exit_code finish(result<void> const& outcome) { return outcome ? exit_code::success : fail(outcome.error()); }

}  // namespace gpuplace::cli
