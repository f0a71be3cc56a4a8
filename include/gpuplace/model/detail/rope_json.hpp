#pragma once
/// @file
/// Reads how a config.json turns queries and keys by their positions.

#include <cmath>
#include <cstdint>
#include <gpuplace/model/detail/json_fields.hpp>
#include <gpuplace/model/model_config.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace gpuplace::detail {

/// The base frequency and the scaling object of one kind of layer.
class rope_reader {
public:
  /// @param fields         the whole config.json
  /// @param max_positions  its context: what a scaling was made from where it does not say
  rope_reader(json_fields const& fields, std::int64_t max_positions) : fields_(fields), max_positions_(max_positions) {}

  /// @param rope   the object with `rope_type`, or null where nothing is scaled
  /// @param path   its key, for errors
  /// @param theta  the base where the object has none
  result<rotary> read(nlohmann::json const* rope, std::string const& path, double theta) const {
    rotary read{theta, {}};
    if (!rope) return read;
    json_fields const object(*rope, fields_.file(), path + '.');
    GPUPLACE_TRY(read.theta, object.positive_or("rope_theta", theta));
    GPUPLACE_TRY(auto const partial, object.positive_or("partial_rotary_factor", 1));
    if (partial != 1) return object.refuse(errc::unsupported, "partial_rotary_factor", "turns a part of each head only");
    GPUPLACE_TRY(auto const older, object.text_or("type", "default"));
    GPUPLACE_TRY(auto const type, object.text_or("rope_type", older));
    GPUPLACE_TRY(read.scaling, read_scaling(object, type));
    return read;
  }

private:
  static constexpr std::int64_t most_positions = std::int64_t{1} << 31;

  result<rope_scaling> read_scaling(json_fields const& object, std::string const& type) const {
    if (type == "default" || type == "mrope") return rope_scaling{};  // text alone turns alike in all of mrope's sections
    if (type == "linear") return read_linear(object);
    if (type == "llama3") return read_llama3(object);
    if (type == "yarn") return read_yarn(object);
    return object.refuse(errc::unsupported, "rope_type", "is " + type, "known: default, linear, llama3, yarn");
  }

  result<std::int64_t> original_context(json_fields const& object) const {
    char const* const key = "original_max_position_embeddings";
    return fields_.find(key) ? fields_.whole(key, 1, most_positions) : object.whole_or(key, max_positions_, 1, most_positions);
  }

  static result<rope_scaling> read_linear(json_fields const& object) {
    GPUPLACE_TRY(auto const factor, object.positive("factor"));
    return rope_scaling{linear_rope{factor}};
  }

  result<rope_scaling> read_llama3(json_fields const& object) const {
    llama3_rope scaling;
    GPUPLACE_TRY(scaling.factor, object.positive("factor"));
    GPUPLACE_TRY(scaling.low_frequency_factor, object.positive("low_freq_factor"));
    GPUPLACE_TRY(scaling.high_frequency_factor, object.positive("high_freq_factor"));
    GPUPLACE_TRY(scaling.original_context, original_context(object));
    if (scaling.high_frequency_factor <= scaling.low_frequency_factor)
      return object.refuse(errc::malformed, "high_freq_factor", "must be above 'low_freq_factor'");
    return rope_scaling{scaling};
  }

  /// How much YaRN sharpens attention at `factor`, as its paper proposes.
  static double sharpening(double factor, double scale) { return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1; }

  result<rope_scaling> read_yarn(json_fields const& object) const {
    yarn_rope scaling;
    GPUPLACE_TRY(scaling.original_context, original_context(object));
    auto const stretch = static_cast<double>(max_positions_) / static_cast<double>(scaling.original_context);
    GPUPLACE_TRY(scaling.factor, object.positive_or("factor", stretch));
    GPUPLACE_TRY(scaling.beta_fast, object.positive_or("beta_fast", 32));
    GPUPLACE_TRY(scaling.beta_slow, object.positive_or("beta_slow", 1));
    GPUPLACE_TRY(scaling.truncate, object.flag_or("truncate", true));
    if (scaling.beta_fast < scaling.beta_slow) return object.refuse(errc::malformed, "beta_fast", "is below 'beta_slow'");
    auto proposed = sharpening(scaling.factor, 1);
    if (object.find("mscale") && object.find("mscale_all_dim")) {
      GPUPLACE_TRY(auto const scale, object.positive("mscale"));
      GPUPLACE_TRY(auto const all, object.positive("mscale_all_dim"));
      proposed = sharpening(scaling.factor, scale) / sharpening(scaling.factor, all);
    }
    GPUPLACE_TRY(scaling.attention_factor, object.positive_or("attention_factor", proposed));
    return rope_scaling{scaling};
  }

  json_fields const& fields_;
  std::int64_t max_positions_;
};

/// Gemma 3 turns its sliding layers by a base of their own. transformers 5 keeps both under rope_parameters, by the kind of
/// layer; before, rope_theta and rope_scaling were the full layers', rope_local_base_freq the sliding ones'.
inline result<void> read_gemma3_rope(json_fields const& fields, rope_reader const& reader, model_config& config) {
  GPUPLACE_TRY(auto const theta, fields.positive_or("rope_theta", 1e6));
  GPUPLACE_TRY(auto const local_theta, fields.positive_or("rope_local_base_freq", 10000));
  GPUPLACE_TRY(auto const* const parameters, fields.object_at("rope_parameters"));
  GPUPLACE_TRY(auto const* full, fields.object_at("rope_scaling"));
  nlohmann::json const* local = nullptr;
  std::string path = "rope_scaling";
  if (parameters) {
    json_fields const kinds(*parameters, fields.file(), "rope_parameters.");
    GPUPLACE_TRY(full, kinds.object_at("full_attention"));
    GPUPLACE_TRY(local, kinds.object_at("sliding_attention"));
    path = "rope_parameters.full_attention";
  }
  GPUPLACE_TRY(config.rope, reader.read(full, path, theta));
  GPUPLACE_TRY(config.local_rope, reader.read(local, "rope_parameters.sliding_attention", local_theta));
  return {};
}

/// transformers 5 writes `rope_parameters` with the base frequency inside; before, `rope_scaling` and `rope_theta`.
inline result<void> read_rope(json_fields const& fields, model_config& config) {
  GPUPLACE_TRY(auto const partial, fields.positive_or("partial_rotary_factor", 1));
  if (partial != 1) return fields.refuse(errc::unsupported, "partial_rotary_factor", "turns a part of each head only");
  rope_reader const reader(fields, config.max_positions);
  if (config.family == architecture::gemma3) return read_gemma3_rope(fields, reader, config);
  GPUPLACE_TRY(auto const theta, fields.positive_or("rope_theta", config.family == architecture::mixtral ? 1e6 : 10000));
  char const* const key = fields.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  GPUPLACE_TRY(auto const* const object, fields.object_at(key));
  GPUPLACE_TRY(config.rope, reader.read(object, key, theta));
  return {};
}

}  // namespace gpuplace::detail
