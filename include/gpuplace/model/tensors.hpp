#pragma once
/// @file
/// The tensors a checkpoint of a given configuration holds: the one truth about names, shapes and bytes.

#include <cstddef>
#include <cstdint>
#include <gpuplace/model/dtype.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/model/unit.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// One weight as Hugging Face names and shapes it.
struct tensor_spec {
  std::string name;
  std::vector<std::int64_t> shape;  ///< outermost first; a linear weight is [outputs, inputs]
  bool quantizable = false;         ///< a linear weight of a decoder layer, but a router's: int8 and int4 apply to it
  bool expert = false;              ///< of one of the MLPs that a router chooses among

  constexpr std::int64_t elements() const {
    std::int64_t count = 1;
    for (auto const size : shape) count *= size;
    return count;
  }
  friend bool operator==(tensor_spec const&, tensor_spec const&) = default;
};

/// Bytes of `t` where the model is stored as `type`: what is not quantizable stays in the format that is computed with.
constexpr bytes tensor_bytes(tensor_spec const& t, dtype type) {
  return t.quantizable ? linear_bytes(t.shape[0], t.shape[1], type) : stored_bytes(t.elements(), compute_dtype(type));
}

/// A unit's name and kind with its tensors, in the order of the chain.
struct unit_tensors {
  std::string name;
  unit_kind kind = unit_kind::decoder_layer;
  std::vector<tensor_spec> tensors;
};

namespace detail {

/// Collects the tensors of one module.
class tensor_list {
public:
  explicit tensor_list(std::string module, bool quantizable = false) : module_(std::move(module)), quantizable_(quantizable) {}

  tensor_list& vector(std::string_view name, std::int64_t size) { return add(name, {size}, false); }
  tensor_list& linear(std::string_view name, std::int64_t outputs, std::int64_t inputs, bool bias) {
    add(std::string(name) + ".weight", {outputs, inputs}, quantizable_);
    return bias ? vector(std::string(name) + ".bias", outputs) : *this;
  }
  tensor_list& add(std::string_view name, std::vector<std::int64_t> shape, bool quantizable) {
    tensors_.push_back({module_ + '.' + std::string(name), std::move(shape), quantizable, false});
    return *this;
  }
  /// A gated MLP of its own under `name`, as Mixtral stores it: w1 gates what w3 lets pass, w2 leads back.
  tensor_list& expert(std::string const& name, std::int64_t hidden, std::int64_t intermediate) {
    auto const first = tensors_.size();
    linear(name + ".w1", intermediate, hidden, false).linear(name + ".w2", hidden, intermediate, false);
    linear(name + ".w3", intermediate, hidden, false);
    for (auto i = first; i < tensors_.size(); ++i) tensors_[i].expert = true;
    return *this;
  }
  unit_tensors as(unit_kind kind) && { return {std::move(module_), kind, std::move(tensors_)}; }

private:
  std::string module_;
  bool quantizable_;
  std::vector<tensor_spec> tensors_;
};

/// The router stays in the format that is computed with: few bytes, and its choices are easily upset.
inline void append_experts(model_config const& c, tensor_list& list) {
  list.add("block_sparse_moe.gate.weight", {c.experts, c.hidden}, false);
  for (std::int64_t i = 0; i < c.experts; ++i)
    list.expert("block_sparse_moe.experts." + std::to_string(i), c.hidden, c.intermediate);
}

inline unit_tensors decoder_layer_tensors(model_config const& c, std::int64_t layer) {
  tensor_list list("model.layers." + std::to_string(layer), true);
  list.vector("input_layernorm.weight", c.hidden)
      .linear("self_attn.q_proj", c.heads * c.head_dim, c.hidden, c.qkv_bias)
      .linear("self_attn.k_proj", c.kv_heads * c.head_dim, c.hidden, c.qkv_bias)
      .linear("self_attn.v_proj", c.kv_heads * c.head_dim, c.hidden, c.qkv_bias)
      .linear("self_attn.o_proj", c.hidden, c.heads * c.head_dim, c.output_bias);
  if (c.qk_norm) list.vector("self_attn.q_norm.weight", c.head_dim).vector("self_attn.k_norm.weight", c.head_dim);
  list.vector("post_attention_layernorm.weight", c.hidden);
  if (c.output_norms)
    list.vector("pre_feedforward_layernorm.weight", c.hidden).vector("post_feedforward_layernorm.weight", c.hidden);
  if (c.experts > 0) append_experts(c, list);
  else
    list.linear("mlp.gate_proj", c.intermediate, c.hidden, c.mlp_bias)
        .linear("mlp.up_proj", c.intermediate, c.hidden, c.mlp_bias)
        .linear("mlp.down_proj", c.hidden, c.intermediate, c.mlp_bias);
  return std::move(list).as(unit_kind::decoder_layer);
}

inline unit_tensors vision_block_tensors(vision_config const& v, std::int64_t block) {
  tensor_list list("visual.blocks." + std::to_string(block));
  list.vector("norm1.weight", v.hidden)
      .vector("norm2.weight", v.hidden)
      .linear("attn.qkv", 3 * v.hidden, v.hidden, true)
      .linear("attn.proj", v.hidden, v.hidden, true)
      .linear("mlp.gate_proj", v.intermediate, v.hidden, true)
      .linear("mlp.up_proj", v.intermediate, v.hidden, true)
      .linear("mlp.down_proj", v.hidden, v.intermediate, true);
  return std::move(list).as(unit_kind::vision);
}

inline void append_vision_tensors(vision_config const& v, std::int64_t hidden, std::vector<unit_tensors>& units) {
  tensor_list patches("visual.patch_embed");
  patches.add("proj.weight", {v.hidden, v.channels, v.temporal_patch, v.patch, v.patch}, false);
  units.push_back(std::move(patches).as(unit_kind::vision));
  for (std::int64_t block = 0; block < v.blocks; ++block) units.push_back(vision_block_tensors(v, block));
  auto const merged = v.hidden * v.patches_per_token();
  tensor_list merger("visual.merger");
  merger.vector("ln_q.weight", v.hidden).linear("mlp.0", merged, merged, true).linear("mlp.2", hidden, merged, true);
  units.push_back(std::move(merger).as(unit_kind::vision));
}

}  // namespace detail

/// Every unit of the model with its tensors, from the vision tower or the embedding to the head.
/// A tied head is listed with the weight it would have of its own; see expected_tensors for what the files hold.
inline std::vector<unit_tensors> tensors_by_unit(model_config const& c) {
  std::vector<unit_tensors> units;
  if (c.vision) detail::append_vision_tensors(*c.vision, c.hidden, units);
  units.push_back(
      {"model.embed_tokens", unit_kind::embedding, {{"model.embed_tokens.weight", {c.vocabulary, c.hidden}, false, false}}});
  for (std::int64_t layer = 0; layer < c.layers; ++layer) units.push_back(detail::decoder_layer_tensors(c, layer));
  units.push_back({"model.norm", unit_kind::final_norm, {{"model.norm.weight", {c.hidden}, false, false}}});
  units.push_back({"lm_head", unit_kind::head, {{"lm_head.weight", {c.vocabulary, c.hidden}, false, false}}});
  return units;
}

/// The tensors that a checkpoint of this configuration must hold; a tied head has none.
inline std::vector<tensor_spec> expected_tensors(model_config const& c) {
  std::vector<tensor_spec> all;
  for (auto& unit : tensors_by_unit(c)) {
    if (unit.kind == unit_kind::head && c.tied_embeddings) continue;
    for (auto& tensor : unit.tensors) all.push_back(std::move(tensor));
  }
  return all;
}

/// The tensor that the head multiplies with: the embedding's where they are tied.
constexpr std::string_view head_weight_name(model_config const& c) {
  return c.tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
}

/// Parameters of the model, a tied head counted once.
inline std::int64_t parameter_count(model_config const& c) {
  std::int64_t count = 0;
  for (auto const& tensor : expected_tensors(c)) count += tensor.elements();
  return count;
}

}  // namespace gpuplace
