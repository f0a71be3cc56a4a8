#pragma once
// What the cores of this machine reach.

#include <gpuplace/topology/measure.hpp>

namespace gpuplace::cli {

// All cores at once: reading memory here, products in the torch backend where it is built. Takes about two seconds.
topology::device_rates measure_cores(int threads);

// A slot's share of them: `cpu:N` slots work at the same time.
topology::device_rates share_of(topology::device_rates const& all, std::size_t slots);

// GB/s at which so many threads read memory of their own.
double read_rate(int threads, std::size_t bytes_each);

}  // namespace gpuplace::cli
