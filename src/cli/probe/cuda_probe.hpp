#pragma once
// GPUs as libgpuplace_cuda_probe.so sees them; it is loaded when it is asked for.

#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/measure.hpp>

#include <string>
#include <vector>

struct gpuplace_probe_library;

namespace gpuplace::cli {

class cuda_probe {
public:
  // Errors: errc::unsupported where the command was built without CUDA; errc::not_found, errc::unreadable (the library)
  static result<cuda_probe> open();

  // CUDA that the library was built with: 13000.
  int cuda_version() const;
  // That every GPU which CUDA shows this process computes.
  result<void> try_gpus() const;
  // Errors: errc::unavailable with CUDA's own words
  result<topology::device_rates> measure(device const& d) const;
  result<topology::pair_rates> measure(device const& from, device const& to) const;

private:
  // CUDA's number of a device: by its PCI id where that tells one, else by its name.
  result<int> find(device const& d) const;
  result<std::vector<std::string>> slots() const;

  gpuplace_probe_library const* functions_ = nullptr;
};

}  // namespace gpuplace::cli
