#pragma once
// gpuplace topo --probe: measures the machine that the command runs on.

#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/measure.hpp>

#include <string>

namespace gpuplace::cli {

// Measures `seen`, telling on standard error how far it is.
// @param topology  what --topology says
// Errors: errc::unsupported for a machine that is not this one, and for GPUs in a command without CUDA
result<topology::measurements> probe(topology::graph const& seen, std::string const& topology);

}  // namespace gpuplace::cli
