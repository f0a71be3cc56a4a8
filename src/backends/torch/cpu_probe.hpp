#pragma once
/// @file
/// What the cores reach in the products that prompts are made of.

namespace gpuplace::torch_detail {

/// TFLOP/s.
struct product_rates {
  double bf16 = 0, fp32 = 0;
};

/// Times the backend's own linear layers, a chunk of a prompt at a time, with so many threads. Takes about a second.
product_rates measure_products(int threads);

}  // namespace gpuplace::torch_detail
