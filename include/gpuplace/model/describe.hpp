#pragma once
/// @file
/// From a configuration to the chain of units that planning places.

#include <algorithm>
#include <cstdint>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/model/tensors.hpp>
#include <string>
#include <utility>

namespace gpuplace {

namespace detail {

/// Two operations a parameter of every matrix that a token meets; biases and norms are noise beside them.
inline double matrix_flops(unit_tensors const& u, double expert_share) {
  std::int64_t always = 0, chosen = 0;
  for (auto const& tensor : u.tensors)
    if (tensor.shape.size() > 1) (tensor.expert ? chosen : always) += tensor.elements();
  return 2.0 * (static_cast<double>(always) + static_cast<double>(chosen) * expert_share);
}

inline void size_embedding(model_config const& c, dtype computed, unit& u) {
  u.output_bytes_per_token = stored_bytes(c.hidden, computed);
  u.workspace_bytes_per_token = u.output_bytes_per_token;
  u.read_bytes_per_token = u.output_bytes_per_token;
  u.flops_per_token = 0;
}

/// Workspace: the residual, its norm and the layer's output; queries, keys, values and what attention returns;
/// the two halves of the gated MLP, of every expert that a token chooses, and the router's scores. All are counted, though not
/// all live at once: allocators keep what was freed.
inline void size_decoder_layer(model_config const& c, dtype computed, std::int64_t layer, unit& u) {
  auto const numbers = 3 * c.hidden + 2 * (c.heads + c.kv_heads) * c.head_dim +
                       2 * c.intermediate * std::max<std::int64_t>(1, c.active_experts) + c.experts;
  u.output_bytes_per_token = stored_bytes(c.hidden, computed);
  u.workspace_bytes_per_token = stored_bytes(numbers, computed);
  u.kv_bytes_per_token = stored_bytes(2 * c.kv_heads * c.head_dim, computed);
  u.kv_window = c.window_of(layer);
  u.attention_flops_per_position = 4.0 * static_cast<double>(c.heads * c.head_dim);
}

inline void size_final_norm(model_config const& c, dtype computed, unit& u) {
  u.output_bytes_per_token = stored_bytes(c.hidden, computed);
  u.workspace_bytes_per_token = 2 * u.output_bytes_per_token;
}

/// The head's rows are logits in fp32, beside the hidden state and, below fp32, the product before it is widened.
inline void size_head(model_config const& c, dtype computed, unit& u) {
  auto const product = computed == dtype::fp32 ? bytes{} : stored_bytes(c.vocabulary, computed);
  u.tied = c.tied_embeddings;
  u.output_bytes_per_token = stored_bytes(c.vocabulary, dtype::fp32);
  u.workspace_bytes_per_token = u.output_bytes_per_token + product + stored_bytes(c.hidden, computed);
}

/// A token of the language model is `patches_per_token` patches in the tower, so every amount is that many patches'.
inline void size_vision(model_config const& c, dtype computed, unit& u) {
  auto const& v = *c.vision;
  auto const patches = v.patches_per_token();
  bool const merger = u.name == "visual.merger";
  bool const embeds = u.name == "visual.patch_embed";
  auto const numbers = embeds ? v.patch_numbers() + v.hidden : merger ? 3 * v.hidden : 7 * v.hidden + 2 * v.intermediate;
  u.phase = unit_phase::encode;
  u.output_bytes_per_token = stored_bytes(merger ? c.hidden : patches * v.hidden, computed);
  u.workspace_bytes_per_token = stored_bytes(patches * numbers, computed) + (merger ? u.output_bytes_per_token : bytes{});
  if (!merger) u.flops_per_token *= static_cast<double>(patches);
  if (!merger && !embeds) u.attention_flops_per_position = 4.0 * static_cast<double>(v.hidden * patches * patches);
}

inline unit describe_unit(model_config const& c, dtype type, unit_tensors const& from, std::int64_t layer) {
  unit u;
  u.name = from.name;
  u.kind = from.kind;
  for (auto const& tensor : from.tensors) {
    u.weight_bytes += tensor_bytes(tensor, type);
    if (tensor.expert) u.expert_bytes += tensor_bytes(tensor, type);
  }
  if (u.expert_bytes.count() > 0) u.expert_share = static_cast<double>(c.active_experts) / static_cast<double>(c.experts);
  u.flops_per_token = matrix_flops(from, u.expert_share);
  auto const computed = compute_dtype(type);
  switch (u.kind) {
    case unit_kind::vision: size_vision(c, computed, u); break;
    case unit_kind::embedding: size_embedding(c, computed, u); break;
    case unit_kind::decoder_layer: size_decoder_layer(c, computed, layer, u); break;
    case unit_kind::final_norm: size_final_norm(c, computed, u); break;
    case unit_kind::head: size_head(c, computed, u); break;
  }
  return u;
}

}  // namespace detail

/// Lists a model's units with their exact bytes and their costs.
/// @param type    the format of the weights; int8 and int4 apply to the linear weights of decoder layers
/// @param name    what people call the model
/// @param source  where the configuration was read: a path or `preset:NAME`
/// Shape:      vision tower, model.embed_tokens, model.layers.0 to L-1, model.norm, lm_head
inline model_description describe(model_config const& config, dtype type, std::string name, std::string source) {
  model_description model;
  model.name = std::move(name);
  model.source = std::move(source);
  model.fingerprint = config_fingerprint(config);
  model.config = config;
  model.type = type;
  std::int64_t layer = 0;
  for (auto const& from : tensors_by_unit(config)) {
    model.units.push_back(detail::describe_unit(config, type, from, layer));
    if (from.kind == unit_kind::decoder_layer) ++layer;
  }
  return model;
}

/// Weights of the whole model: a shared tied head costs nothing, a copied one as much as the embedding.
inline bytes total_weight_bytes(model_description const& model, tied_head head) {
  bytes total;
  for (auto const& u : model.units)
    if (!u.tied || head == tied_head::copied) total += u.weight_bytes;
  return total;
}

}  // namespace gpuplace
