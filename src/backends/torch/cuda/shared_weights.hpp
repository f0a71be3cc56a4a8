#pragma once
/// @file
/// Replicas of one process read a checkpoint from storage once, and send each other the weights.

#include "runtime.hpp"

#include <gpuplace/model/dtype.hpp>

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace gpuplace::torch_detail {

/// What memory with weights holds: names the model, its units, and the type.
using weights_key = std::tuple<std::string, std::vector<std::string>, dtype>;

/// Fills `memory` with what `key` names: from another GPU of this process that has it and can be reached, after waiting for it where it
/// is on its way there; else by `load`. Others may copy from here for as long as the memory lives.
/// Threads:    from any
/// @throws what `load` throws; cuda::failure
void fill_weights(weights_key const& key, int device, std::shared_ptr<cuda::device_memory const> const& memory,
                  std::function<void()> const& load);

}  // namespace gpuplace::torch_detail
