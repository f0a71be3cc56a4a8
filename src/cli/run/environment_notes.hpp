#pragma once
// Variables that users of other engines set, and that do nothing here.

#include <string>
#include <vector>

namespace gpuplace::cli {

// A line for each kind of variable that is set and has no effect on a run.
// @param environment  "NAME=value" each
// @param one_process  no other takes part
std::vector<std::string> environment_notes(std::vector<std::string> const& environment, bool one_process);

// This process's.
std::vector<std::string> own_environment();

}  // namespace gpuplace::cli
