#pragma once
/// @file
/// Safetensors, checkpoints and models opened from them: all of weights/.

#include <gpuplace/weights/checkpoint.hpp>
#include <gpuplace/weights/element_type.hpp>
#include <gpuplace/weights/open_model.hpp>
#include <gpuplace/weights/safetensors.hpp>
#include <gpuplace/weights/tensor_view.hpp>
