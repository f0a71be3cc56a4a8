#pragma once
// Runs a parsed template.

#include "ast.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <string>

namespace gpuplace::text::jinja {

using clock = std::function<std::chrono::system_clock::time_point()>;

// Throws fault with the line where evaluation stood.
std::string run(block const& program, std::map<std::string, value> variables, clock const& now);

}  // namespace gpuplace::text::jinja
