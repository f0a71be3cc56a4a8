#pragma once
/// @file
/// From what a user wrote for a model to its description, checked against the weights where there are any.

#include <cstdint>
#include <filesystem>
#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/model_path.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/weights/checkpoint.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpuplace {

namespace detail {

/// What the files hold beyond the configuration (masks, tables, counters) is counted with the unit that it belongs to. Integers and
/// truth values keep their size whatever the weights are converted to.
inline void count_extra_tensors(checkpoint const& weights, checkpoint_report const& report, model_description& model) {
  for (auto const& name : report.unexpected) {
    auto const& tensor = *weights.find(name);
    for (auto& u : model.units)
      if (name.starts_with(u.name + '.'))
        u.weight_bytes += to_dtype(tensor.type) ? stored_bytes(tensor.elements(), compute_dtype(model.type))
                                                : bytes{static_cast<std::int64_t>(tensor.data.size())};
  }
}

}  // namespace detail

/// Describes the model of a folder. Where safetensors are there, every tensor that the configuration asks for must be in them
/// with its shape, so that the units' bytes are those of the files, and the fingerprint covers them.
/// @param path    a folder with config.json, or a config.json alone: then weights are not looked at
/// @param type    the format to size for; the checkpoint's own where nothing is given
/// Errors:     those of read_model_config, open_checkpoint and check_checkpoint
inline result<model_description> describe_checkpoint(std::filesystem::path const& path, std::optional<dtype> type,
                                                     std::string name) {
  GPUPLACE_TRY(auto const config, read_model_config(path));
  auto model = describe(config, type.value_or(config.type), std::move(name), path.string());
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored) || !has_checkpoint(path)) return model;
  GPUPLACE_TRY(auto const weights, open_checkpoint(path));
  GPUPLACE_TRY(auto const report, check_checkpoint(weights, config));
  detail::count_extra_tensors(weights, report, model);
  model.fingerprint += '-' + weights_fingerprint(weights);
  return model;
}

/// Describes the model that `text` names: a folder, a config.json, `preset:NAME`, or `Org/Name` in the Hugging Face cache.
/// @param type    the format to size for; the checkpoint's own (bf16 for presets) where nothing is given
/// Errors:     errc::not_found with what to do (`hf download Org/Name`); those of describe_checkpoint
inline result<model_description> open_model(std::string_view text, std::optional<dtype> type = std::nullopt) {
  GPUPLACE_TRY(auto location, find_model(text));
  if (!location.is_preset()) return describe_checkpoint(location.path, type, std::move(location.name));
  GPUPLACE_TRY(auto const config, preset_config(location.preset));
  return describe(config, type.value_or(config.type), std::move(location.name), std::string(text));
}

}  // namespace gpuplace
