#pragma once
/// @file
/// What the readers of topology files are told beside the text.

#include <gpuplace/topology/gpu_models.hpp>
#include <string>

namespace gpuplace::topology {

/// What a text leaves open and its reader may know.
struct read_options {
  gpu_model const* model = nullptr;  ///< the card, where the text does not name it
  std::string name = "topology";     ///< of the file, for errors
};

}  // namespace gpuplace::topology
