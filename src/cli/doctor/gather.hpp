#pragma once
// What this machine is asked for `gpuplace doctor`.

#include "examine.hpp"

namespace gpuplace::cli {

// @param model  as --model has it; empty: none
doctor_facts gather(std::vector<int> const& ports, std::string const& model);

}  // namespace gpuplace::cli
