#include "cuda_weights.hpp"

#include "shared_weights.hpp"
#include "weight_upload.hpp"

#include <gpuplace/model/tensors.hpp>

#include <cstdint>
#include <map>
#include <utility>

namespace gpuplace::torch_detail {
namespace {

constexpr std::size_t alignment = 256;

/// Lays the units' tensors out one after another from `base`; without a base it only counts.
class layout {
public:
  layout(checkpoint const& weights, model_config const& config, dtype type, std::byte* base)
      : weights_(weights), config_(config), type_(type), base_(base) {
    std::int64_t layer = 0;
    for (auto const& unit : tensors_by_unit(config)) {
      kinds_.emplace(unit.name, std::pair(unit.kind, layer));
      if (unit.kind == unit_kind::decoder_layer) ++layer;
    }
  }

  result<void> add(std::string const& unit) {
    auto const found = kinds_.find(unit);
    if (found == kinds_.end())
      return error{errc::not_found, "the model has no unit '" + unit + "'", {}, "plan again with this checkpoint"};
    switch (found->second.first) {
      case unit_kind::embedding:
        made.embedding = together({unit + ".weight"});
        has_embedding_ = true;
        return {};
      case unit_kind::decoder_layer: add_layer(unit, found->second.second); return {};
      case unit_kind::final_norm: made.final_norm = norm_of(unit); return {};
      case unit_kind::head: add_head(); return {};
      case unit_kind::vision: break;
    }
    return error{errc::unsupported, "unit '" + unit + "' belongs to a vision tower", {}, "the torch backend runs text models"};
  }

  std::size_t size() const { return used_; }
  std::vector<upload> const& uploads() const { return uploads_; }

  cuda_weights made;

private:
  /// Tensors without a gap between them.
  void const* together(std::vector<std::string> const& names) {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    auto* const begin = base_ + used_;
    for (auto const& name : names) {
      auto const& view = *weights_.find(name);
      if (base_) uploads_.push_back({&view, base_ + used_});
      used_ += static_cast<std::size_t>(stored_bytes(view.elements(), type_).count());
    }
    return begin;
  }

  cuda::norm norm_of(std::string const& module) {
    return {together({module + ".weight"}), static_cast<float>(config_.rms_epsilon), config_.offset_norms};
  }

  cuda::product product_of(std::vector<std::string> const& modules, bool bias) {
    cuda::product p;
    std::vector<std::string> names;
    for (auto const& m : modules) {
      auto const& shape = weights_.find(m + ".weight")->shape;
      p.outputs += static_cast<int>(shape[0]);
      p.inputs = static_cast<int>(shape[1]);
      names.push_back(m + ".weight");
    }
    p.weight = together(names);
    if (!bias) return p;
    for (auto& name : names) name.replace(name.size() - 6, 6, "bias");
    p.bias = together(names);
    return p;
  }

  void add_layer(std::string const& unit, std::int64_t index) {
    auto const attention = unit + ".self_attn.", mlp = unit + ".mlp.";
    cuda_layer l;
    l.input_norm = norm_of(unit + ".input_layernorm");
    l.qkv = product_of({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, config_.qkv_bias);
    if (config_.qk_norm) {
      l.query_norm = norm_of(attention + "q_norm");
      l.key_norm = norm_of(attention + "k_norm");
    }
    l.output = product_of({attention + "o_proj"}, config_.output_bias);
    auto const after_attention = norm_of(unit + ".post_attention_layernorm");
    if (config_.output_norms) {  // elsewhere the norm of that name is the one before the MLP
      l.attention_norm = after_attention;
      l.mlp_input_norm = norm_of(unit + ".pre_feedforward_layernorm");
      l.mlp_norm = norm_of(unit + ".post_feedforward_layernorm");
    } else {
      l.mlp_input_norm = after_attention;
    }
    l.gate_up = product_of({mlp + "gate_proj", mlp + "up_proj"}, config_.mlp_bias);
    l.gate_up.gated = true;
    l.gate_up.activation = config_.gate == activation::silu ? cuda::gate::silu : cuda::gate::gelu_tanh;
    l.down = product_of({mlp + "down_proj"}, config_.mlp_bias);
    l.window = static_cast<int>(config_.window_of(index));
    l.local_rotation = config_.local_rope && config_.slides(index);
    l.qkv.before = l.input_norm;
    l.gate_up.before = l.mlp_input_norm;
    l.output.add = l.down.add = !config_.output_norms;
    made.layers.push_back(l);
  }

  void add_head() {
    bool const shared = config_.tied_embeddings && has_embedding_;
    made.head.weight = shared ? made.embedding : together({std::string(head_weight_name(config_))});
    made.head.outputs = static_cast<int>(config_.vocabulary);
    made.head.inputs = static_cast<int>(config_.hidden);
    made.head.before = made.final_norm;
    made.head.wide = true;
  }

  checkpoint const& weights_;
  model_config const& config_;
  dtype type_;
  std::byte* base_;
  std::size_t used_ = 0;
  bool has_embedding_ = false;
  std::vector<upload> uploads_;
  std::map<std::string, std::pair<unit_kind, std::int64_t>> kinds_;
};

}  // namespace

result<cuda_weights> load_on_gpu(checkpoint const& weights, std::string const& source, model_config const& config,
                                 std::span<std::string const> units, int device, dtype type) {
  layout counted(weights, config, type, nullptr);
  for (auto const& unit : units) GPUPLACE_CHECK(counted.add(unit));
  auto const memory =
      std::make_shared<cuda::device_memory const>(cuda::allocate(counted.size(), "reserving memory for the weights"));
  layout placed(weights, config, type, memory->as());
  for (auto const& unit : units) GPUPLACE_CHECK(placed.add(unit));
  fill_weights({source, {units.begin(), units.end()}, type}, device, memory, [&] { upload_all(placed.uploads(), type, device); });
  placed.made.all = memory;
  return std::move(placed.made);
}

}  // namespace gpuplace::torch_detail
