#pragma once
/// @file
/// Weights from mapped files to a device, at the link's rate.

#include "runtime.hpp"

#include <gpuplace/model/dtype.hpp>
#include <gpuplace/weights/tensor_view.hpp>

#include <vector>

namespace gpuplace::torch_detail {

/// A tensor and where it goes.
struct upload {
  tensor_view const* from = nullptr;
  std::byte* to = nullptr;
};

/// Copies all of them, converted to `type` (fp32 or bf16) where they are of another. Several threads read the files into pinned buffers
/// while earlier parts cross the link; the host never holds a second copy.
/// @throws cuda::failure
void upload_all(std::vector<upload> const& what, dtype type, int device);

}  // namespace gpuplace::torch_detail
