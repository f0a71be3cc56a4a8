#pragma once
/// @file
/// The kernels of CPU cores: own vector code, oneDNN for large bf16 products.

#include "device_kernels.hpp"
#include "vector_kernels.hpp"

#include <memory>

namespace gpuplace::torch_detail {

/// Kernels of one instruction level. They run on the calling thread's team, see at::set_num_threads.
std::unique_ptr<device_kernels> make_cpu_kernels(torch_cpu::vector_kernels const& level);

}  // namespace gpuplace::torch_detail
