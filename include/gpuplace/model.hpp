#pragma once
/// @file
/// A checkpoint as an ordered list of units: all of model/.

#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/dtype.hpp>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/model/model_path.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/model/tensors.hpp>
#include <gpuplace/model/unit.hpp>
