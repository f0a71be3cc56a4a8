#pragma once
// From what is known of a machine to what is right or wrong with it.

#include "finding.hpp"
#include "ports.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/topology/live_facts.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

// A folder and the room beneath it.
struct folder_facts {
  std::string path;
  bool exists = false;
  bool writable = false;
  bytes free{};
};

// All that the checks look at; made up in tests.
struct doctor_facts {
  topology::gpu_machine gpus;
  bool driver_loaded = false;                                            // the kernel lists NVIDIA's GPUs, whatever NVML says
  std::string visible_setting;                                           // "CUDA_VISIBLE_DEVICES=2,3"; empty where it is not set
  result<std::vector<std::string>> visible{std::vector<std::string>{}};  // what CUDA would show this process
  bool cuda_built = false;                                               // this command can measure and run GPUs
  int cuda_version = 0;                                                  // that it was built with: 13000
  result<void> cuda;                  // its library was loaded, and computes on every visible GPU
  std::optional<result<void>> torch;  // loading the torch backend; none where it was not built
  std::vector<port_state> ports;
  result<std::string> vllm{std::string()};    // its version
  std::string model;                          // as --model has it; empty: none
  result<std::string> opened{std::string()};  // words on that model
  folder_facts cache;                         // Hugging Face's
  folder_facts here;                          // the working folder
};

// A finding for each check, in an order that a reader can follow.
std::vector<finding> examine(doctor_facts const& facts);

}  // namespace gpuplace::cli
