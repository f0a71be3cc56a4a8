#pragma once
/// @file
/// The weights of one stage on its device.

#include "device_kernels.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::torch_detail {

/// Queries, keys and values are one product, as are gate and up.
struct layer_weights {
  at::Tensor input_norm;
  linear_weights qkv;
  at::Tensor query_norm;  ///< undefined in families without
  at::Tensor key_norm;
  linear_weights output;
  at::Tensor attention_norm;  ///< of what attention returns; undefined in families without
  at::Tensor mlp_input_norm;
  linear_weights gate_up;
  linear_weights down;
  at::Tensor mlp_norm;  ///< of what the MLP returns; undefined in families without
  std::int64_t window = 0;
  bool local_rotation = false;  ///< turns by model_config::local_rope
};

/// What a stage holds of the chain; tensors of units that lie elsewhere are undefined.
struct stage_weights {
  at::Tensor embedding;
  std::vector<layer_weights> layers;
  at::Tensor final_norm;
  linear_weights head;
  std::vector<std::pair<std::string, at::Tensor>> all;  ///< every tensor above by its name in the checkpoint
};

/// Loads the given units in `type` onto `device`. On the host a tensor whose numbers need no conversion stays where its file is
/// mapped, and its pages are fetched now; others are converted tensor by tensor, and the file's pages dropped behind them, so
/// that the peak is the weights and one tensor.
/// @param weights    held against `config` by check_checkpoint before; must outlive what is loaded
/// @param embedding  the replica's embedding where it is loaded already: a tied head on the same device shares its memory
/// Errors:     errc::unsupported for units of a vision tower; errc::not_found for a unit that the model does not have
result<stage_weights> load_stage(checkpoint const& weights, model_config const& config, std::span<std::string const> units,
                                 at::Device device, at::ScalarType type, at::Tensor const& embedding);

/// The first tensor that holds a NaN or an infinity, for a message after something went wrong.
std::optional<std::string> find_broken(stage_weights const& weights);

}  // namespace gpuplace::torch_detail
