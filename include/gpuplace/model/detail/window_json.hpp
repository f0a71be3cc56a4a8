#pragma once
/// @file
/// Reads which layers of a config.json attend through a sliding window.

#include <cstdint>
#include <gpuplace/model/detail/json_fields.hpp>
#include <gpuplace/model/model_config.hpp>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace gpuplace::detail {

inline constexpr std::int64_t most_window = std::int64_t{1} << 31;

/// `layer_types` as one flag a layer.
inline result<std::vector<bool>> read_layer_types(json_fields const& fields, nlohmann::json const& types, std::int64_t layers) {
  if (!types.is_array() || types.size() != static_cast<std::size_t>(layers))
    return fields.refuse(errc::malformed, "layer_types", "must be a list with one entry a layer");
  std::vector<bool> slides;
  for (auto const& type : types) {
    if (type != "full_attention" && type != "sliding_attention")
      return fields.refuse(errc::unsupported, "layer_types", "names a kind of layer that gpuplace does not know",
                           "known: full_attention, sliding_attention");
    slides.push_back(type == "sliding_attention");
  }
  return slides;
}

/// Keeps the window only where a layer slides, so that equal models have equal configurations.
inline void set_window(std::int64_t window, std::vector<bool> slides, model_config& config) {
  bool any = false;
  for (bool const s : slides) any = any || s;
  config.sliding_window = any ? window : 0;
  config.sliding_layers = any ? std::move(slides) : std::vector<bool>{};
}

/// Qwen slides in the layers from `max_window_layers` on, and only where `use_sliding_window` says so.
inline result<void> read_qwen_window(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(auto const used, fields.flag_or("use_sliding_window", false));
  if (!used || fields.is_null("sliding_window")) return {};
  GPUPLACE_TRY(auto const window, fields.whole_or("sliding_window", 4096, 1, most_window));
  std::vector<bool> slides;
  if (auto const* const types = fields.find("layer_types")) {
    GPUPLACE_TRY(slides, read_layer_types(fields, *types, config.layers));
  } else {
    GPUPLACE_TRY(auto const first, fields.whole_or("max_window_layers", 28, 0, most_window));
    for (std::int64_t layer = 0; layer < config.layers; ++layer) slides.push_back(layer >= first);
  }
  set_window(window, std::move(slides), config);
  return {};
}

/// Every layer of a Mistral slides where there is a window; the first release had one and did not need to say so.
inline result<void> read_mistral_window(json_fields const& fields, model_config& config) {
  if (fields.is_null("sliding_window")) return {};
  GPUPLACE_TRY(auto const window, fields.whole_or("sliding_window", 4096, 1, most_window));
  set_window(window, std::vector<bool>(static_cast<std::size_t>(config.layers), true), config);
  return {};
}

/// Gemma slides in all layers but every second (Gemma 2) or sixth (Gemma 3, or as `sliding_window_pattern` says).
inline result<void> read_gemma_window(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(auto const window, fields.whole_or("sliding_window", 4096, 1, most_window));
  std::vector<bool> slides;
  if (auto const* const types = fields.find("layer_types")) {
    GPUPLACE_TRY(slides, read_layer_types(fields, *types, config.layers));
  } else {
    std::int64_t pattern = 2;
    if (config.family == architecture::gemma3) {
      GPUPLACE_TRY(pattern, fields.whole_or("sliding_window_pattern", 6, 1, most_window));
    }
    for (std::int64_t layer = 0; layer < config.layers; ++layer) slides.push_back((layer + 1) % pattern != 0);
  }
  set_window(window, std::move(slides), config);
  return {};
}

/// Every layer of a Mixtral slides where a window is named; the class has none of its own.
inline result<void> read_mixtral_window(json_fields const& fields, model_config& config) {
  return fields.find("sliding_window") ? read_mistral_window(fields, config) : result<void>{};
}

inline result<void> read_window(json_fields const& fields, model_config& config) {
  switch (config.family) {
    case architecture::llama: return {};
    case architecture::mistral: return read_mistral_window(fields, config);
    case architecture::mixtral: return read_mixtral_window(fields, config);
    case architecture::qwen2:
    case architecture::qwen3: return read_qwen_window(fields, config);
    case architecture::gemma2:
    case architecture::gemma3: return read_gemma_window(fields, config);
  }
  return {};
}

}  // namespace gpuplace::detail
