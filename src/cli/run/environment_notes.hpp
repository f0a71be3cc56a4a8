#pragma once
// Variables that users of other engines set, and that do nothing here.

#include <gpuplace/plan/plan.hpp>

#include <string>
#include <vector>

namespace gpuplace::cli {

// A line for each kind of variable that is set and has no effect on a run of `model`.
// @param environment  "NAME=value" each
std::vector<std::string> environment_notes(std::vector<std::string> const& environment, model_plan const& model);

// This process's.
std::vector<std::string> own_environment();

}  // namespace gpuplace::cli
