#pragma once
/// @file
/// The weights of one stage on a GPU, in the layout that kernels like: projections that read the same input lie together.

#include "kernels/kernels.hpp"
#include "runtime.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/weights/checkpoint.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gpuplace::torch_detail {

struct cuda_layer {
  cuda::norm input_norm, query_norm, key_norm, attention_norm, mlp_input_norm, mlp_norm;
  cuda::product qkv, output, gate_up, down;
  int window = 0;
  bool local_rotation = false;  ///< turns by model_config::local_rope
};

/// Everything lies in one piece of memory.
struct cuda_weights {
  std::shared_ptr<cuda::device_memory const> all;  ///< while another replica copies from it, it is that one's as well
  void const* embedding = nullptr;                 ///< null where it lies elsewhere
  std::vector<cuda_layer> layers;
  cuda::norm final_norm;
  cuda::product head;  ///< with the final norm before it where both are here; no weight where it lies elsewhere
};

/// Loads the units in `type` (fp32 or bf16) onto `device`, which is the current one: from another GPU of this process that holds the
/// same ones, else from the checkpoint.
/// @param weights  held against `config` by check_checkpoint before
/// @param source   names the checkpoint
/// Errors:     errc::unsupported for units of a vision tower; errc::not_found for a unit that the model does not have
/// @throws cuda::failure
result<cuda_weights> load_on_gpu(checkpoint const& weights, std::string const& source, model_config const& config,
                                 std::span<std::string const> units, int device, dtype type);

}  // namespace gpuplace::torch_detail
