#pragma once
// This process among those that torchrun, mpirun or srun have started.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/world.hpp>

namespace gpuplace::cli {

result<world> own_world();

}  // namespace gpuplace::cli
