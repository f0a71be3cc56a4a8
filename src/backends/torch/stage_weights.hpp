#pragma once
/// @file
/// The weights of one stage on its device.

#include "device_kernels.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gpuplace::torch_detail {

/// Queries, keys and values are one product, as are gate and up.
struct layer_weights {
  at::Tensor input_norm;
  linear_weights qkv;
  at::Tensor query_norm;  ///< undefined in families without
  at::Tensor key_norm;
  linear_weights output;
  at::Tensor attention_norm;  ///< before the MLP
  linear_weights gate_up;
  linear_weights down;
  std::int64_t window = 0;
};

/// What a stage holds of the chain; tensors of units that lie elsewhere are undefined.
struct stage_weights {
  at::Tensor embedding;
  std::vector<layer_weights> layers;
  at::Tensor final_norm;
  linear_weights head;
};

/// Loads the given units in `type` onto `device`, unit by unit; the file's pages are dropped once copied, so that the peak is
/// the weights and one unit's tensors.
/// @param weights    held against `config` by check_checkpoint before
/// @param embedding  the replica's embedding where it is loaded already: a tied head on the same device shares its memory
/// Errors:     errc::unsupported for units of a vision tower; errc::not_found for a unit that the model does not have
result<stage_weights> load_stage(checkpoint const& weights, model_config const& config, std::span<std::string const> units,
                                 at::Device device, at::ScalarType type, at::Tensor const& embedding);

}  // namespace gpuplace::torch_detail
