#include "stage_weights.hpp"

#include "mapped_pages.hpp"

#include <gpuplace/model/tensors.hpp>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>

#include <cstring>
#include <string_view>
#include <unordered_map>

#include <sys/mman.h>
#include <unistd.h>

namespace gpuplace::torch_detail {
namespace {

at::ScalarType scalar_type_of(element_type type) {
  return type == element_type::f32 ? at::kFloat : type == element_type::bf16 ? at::kBFloat16 : at::kHalf;
}

/// Files align tensors to nothing in particular; vectors are read from any address, but numbers not across their own size.
bool is_aligned(tensor_view const& view) {
  return reinterpret_cast<std::uintptr_t>(view.data.data()) % static_cast<std::uintptr_t>(element_size(view.type)) == 0;
}

at::Tensor as_mapped(tensor_view const& view) {
  return at::from_blob(const_cast<std::byte*>(view.data.data()), view.shape, at::TensorOptions().dtype(scalar_type_of(view.type)));
}

at::Tensor converted(tensor_view const& view, at::TensorOptions const& options) {
  auto target = at::empty(view.shape, options);
  at::Tensor source;
  if (is_aligned(view)) {
    source = as_mapped(view);
  } else {
    source = at::empty(view.shape, at::TensorOptions().dtype(scalar_type_of(view.type)));
    std::memcpy(source.data_ptr(), view.data.data(), view.data.size());
  }
  target.copy_(source);
  drop_pages(view.data);
  return target;
}

class stage_loader {
public:
  stage_loader(checkpoint const& weights, model_config const& config, at::Device device, at::ScalarType type,
               at::Tensor const& embedding)
      : weights_(weights), config_(config), options_(at::TensorOptions().device(device).dtype(type)), embedding_(embedding) {
    std::int64_t layer = 0;
    for (auto const& unit : tensors_by_unit(config)) {
      kinds_.emplace(unit.name, place{unit.kind, layer});
      if (unit.kind == unit_kind::decoder_layer) ++layer;
    }
  }

  result<void> load(std::string const& unit) {
    auto const found = kinds_.find(unit);
    if (found == kinds_.end())
      return error{errc::not_found, "the model has no unit '" + unit + "'", {}, "plan again with this checkpoint"};
    switch (found->second.kind) {
      case unit_kind::embedding: stage_.embedding = tensor(unit + ".weight"); return {};
      case unit_kind::decoder_layer: load_layer(unit, found->second.layer); return {};
      case unit_kind::final_norm: stage_.final_norm = tensor(unit + ".weight"); return {};
      case unit_kind::head: load_head(); return {};
      case unit_kind::vision: break;
    }
    return error{errc::unsupported, "unit '" + unit + "' belongs to a vision tower", {}, "the torch backend runs text models"};
  }

  stage_weights take() && { return std::move(stage_); }

private:
  struct place {
    unit_kind kind;
    std::int64_t layer;
  };

  at::Tensor tensor(std::string const& name) {
    auto const& view = *weights_.find(name);
    bool const in_place = options_.device().is_cpu() && options_.dtype() == scalar_type_of(view.type) && is_aligned(view);
    if (in_place) fetch_pages(view.data);
    auto loaded = in_place ? as_mapped(view) : converted(view, options_);
    stage_.all.emplace_back(name, loaded);
    return loaded;
  }

  linear_weights linear(std::vector<std::string> const& modules, bool bias) {
    linear_weights parts;
    for (auto const& module : modules)
      parts.push_back({tensor(module + ".weight"), bias ? tensor(module + ".bias") : at::Tensor{}});
    return parts;
  }

  void load_layer(std::string const& unit, std::int64_t layer) {
    auto const attention = unit + ".self_attn.", mlp = unit + ".mlp.";
    layer_weights w;
    w.input_norm = tensor(unit + ".input_layernorm.weight");
    w.qkv = linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, config_.qkv_bias);
    if (config_.qk_norm) {
      w.query_norm = tensor(attention + "q_norm.weight");
      w.key_norm = tensor(attention + "k_norm.weight");
    }
    w.output = linear({attention + "o_proj"}, config_.output_bias);
    load_mlp_norms(unit, w);
    w.gate_up = linear({mlp + "gate_proj", mlp + "up_proj"}, config_.mlp_bias);
    w.down = linear({mlp + "down_proj"}, config_.mlp_bias);
    w.window = config_.window_of(layer);
    w.local_rotation = config_.local_rope && config_.slides(layer);
    stage_.layers.push_back(std::move(w));
  }

  /// Where outputs are normalised too, "post_attention" means just that; elsewhere it is the norm before the MLP.
  void load_mlp_norms(std::string const& unit, layer_weights& w) {
    auto after_attention = tensor(unit + ".post_attention_layernorm.weight");
    if (!config_.output_norms) {
      w.mlp_input_norm = std::move(after_attention);
      return;
    }
    w.attention_norm = std::move(after_attention);
    w.mlp_input_norm = tensor(unit + ".pre_feedforward_layernorm.weight");
    w.mlp_norm = tensor(unit + ".post_feedforward_layernorm.weight");
  }

  void load_head() {
    auto const& table = stage_.embedding.defined() ? stage_.embedding : embedding_;
    bool const shared = config_.tied_embeddings && table.defined() && table.device() == options_.device();
    stage_.head = {{shared ? table : tensor(std::string(head_weight_name(config_))), {}}};
  }

  checkpoint const& weights_;
  model_config const& config_;
  at::TensorOptions options_;
  at::Tensor embedding_;
  std::unordered_map<std::string, place> kinds_;
  stage_weights stage_;
};

}  // namespace

result<stage_weights> load_stage(checkpoint const& weights, model_config const& config, std::span<std::string const> units,
                                 at::Device device, at::ScalarType type, at::Tensor const& embedding) {
  stage_loader loader(weights, config, device, type, embedding);
  for (auto const& unit : units) GPUPLACE_CHECK(loader.load(unit));
  return std::move(loader).take();
}

std::optional<std::string> find_broken(stage_weights const& weights) {
  for (auto const& [name, tensor] : weights.all)
    if (!at::isfinite(tensor).all().item<bool>()) return name;
  return std::nullopt;
}

}  // namespace gpuplace::torch_detail
