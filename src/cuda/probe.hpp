#pragma once
/// @file
/// What a card really does, measured on the current device.

#include <cstddef>

namespace gpuplace::cuda {

/// The best rate at which the card's memory was read, in bytes a second: the floor of whatever reads weights.
/// @param bytes  read at once; several times the second-level cache
/// @throws failure
double best_read_rate(std::size_t bytes);

/// The best rates of copies between pinned host memory and the card, in bytes a second.
/// @throws failure
struct host_rates {
  double from_host = 0, to_host = 0;
};
host_rates best_host_rates(std::size_t bytes);

/// The best rate of a product of square matrices by cuBLASLt, in operations a second.
/// @param narrow  bf16 in place of fp32
/// @throws failure, or std::runtime_error where cuBLASLt is not found
double best_product_rate(int width, bool narrow);

/// Copies from one card to another, whichever is current. Peer access is switched on where the cards have it.
/// @throws failure
struct copy_rates {
  double rate = 0;     ///< bytes a second, the best of some copies of `bytes`
  double latency = 0;  ///< seconds of a copy of 4 KiB, the median of many
  bool staged = false;
};
copy_rates measure_copies(int from, int to, std::size_t bytes);

}  // namespace gpuplace::cuda
