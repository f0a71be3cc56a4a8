#pragma once
/// @file
/// Products with many rows, by cuBLASLt. It is loaded when it is first needed: a machine without a GPU need not have it.

#include "kernels/kernels.hpp"
#include "runtime.hpp"

#include <map>
#include <memory>
#include <tuple>

namespace gpuplace::cuda {

/// y = x weight^T, or += where `add`; weight [outputs, inputs], x [rows, inputs], y [rows, outputs], fp32 where `wide`.
struct matmul_shape {
  number type = number::bf16;
  int rows = 0, outputs = 0, inputs = 0;
  bool add = false, wide = false;
  friend auto operator<=>(matmul_shape const&, matmul_shape const&) = default;
};

/// cuBLASLt on one device, with its workspace. Not for several threads at once.
class matmul {
public:
  /// @throws std::runtime_error that says what to do where the library is not found
  matmul();
  ~matmul();
  matmul(matmul&&) noexcept;
  matmul& operator=(matmul&&) noexcept;

  /// Times the algorithms that cuBLASLt proposes for a shape, and keeps the fastest for what comes: y is overwritten.
  void tune(matmul_shape const& shape, void const* weight, void const* x, void* y, cudaStream_t on);

  void multiply(matmul_shape const& shape, void const* weight, void const* x, void* y, cudaStream_t on);

private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace gpuplace::cuda
