#pragma once
/// @file
/// What the readers of topology files are told beside the text.

#include <cstddef>
#include <gpuplace/topology/gpu_models.hpp>
#include <string>

namespace gpuplace::topology {

/// What a text leaves open and its reader may know.
struct read_options {
  gpu_model const* model = nullptr;    ///< the card, where the text does not name it
  std::string name = "topology";       ///< of the file, for errors; files that a hosts file names are looked up beside it
  bool open_files = true;              ///< whether a hosts file may name other files
  std::size_t most_devices = 1000000;  ///< that a hosts file may ask for
};

}  // namespace gpuplace::topology
