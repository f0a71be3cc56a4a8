#pragma once
// A program that is asked one thing and must answer soon.

#include <gpuplace/core/result.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace gpuplace::cli {

// What `command` writes to standard output; it is ended when the time is over.
// Errors: errc::not_found (no such program), errc::timed_out, errc::unavailable (it failed)
result<std::string> run_briefly(std::vector<std::string> const& command, std::chrono::milliseconds limit);

}  // namespace gpuplace::cli
