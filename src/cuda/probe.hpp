#pragma once
/// @file
/// What a card really does, measured on the current device.

#include <cstddef>

namespace gpuplace::cuda {

/// The best rate at which the card's memory was read, in bytes a second: the floor of whatever reads weights.
/// @param bytes  read at once; several times the second-level cache
/// @throws failure
double best_read_rate(std::size_t bytes);

}  // namespace gpuplace::cuda
