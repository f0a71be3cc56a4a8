#include "stage_weights.hpp"

#include <gpuplace/model/tensors.hpp>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

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

/// Gives the pages that lie wholly within `data` back to the system; a later reader gets them from the file again.
void drop_pages(std::span<std::byte const> data) {
  auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto const begin = (reinterpret_cast<std::uintptr_t>(data.data()) + page - 1) / page * page;
  auto const end = (reinterpret_cast<std::uintptr_t>(data.data()) + data.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/// Copies a file's tensor into `target`, converting its numbers; files align tensors to nothing in particular.
void copy_into(at::Tensor const& target, tensor_view const& view) {
  auto const type = scalar_type_of(view.type);
  auto const aligned = reinterpret_cast<std::uintptr_t>(view.data.data()) % static_cast<std::uintptr_t>(element_size(view.type)) == 0;
  at::Tensor source;
  if (aligned) {
    source = at::from_blob(const_cast<std::byte*>(view.data.data()), view.shape, at::TensorOptions().dtype(type));
  } else {
    source = at::empty(view.shape, at::TensorOptions().dtype(type));
    std::memcpy(source.data_ptr(), view.data.data(), view.data.size());
  }
  target.copy_(source);
  drop_pages(view.data);
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
    if (found == kinds_.end()) return error{errc::not_found, "the model has no unit '" + unit + "'", {}, "plan again with this checkpoint"};
    switch (found->second.kind) {
      case unit_kind::embedding: stage_.embedding = joined({unit + ".weight"}); return {};
      case unit_kind::decoder_layer: load_layer(unit, found->second.layer); return {};
      case unit_kind::final_norm: stage_.final_norm = joined({unit + ".weight"}); return {};
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

  /// The named tensors, one after another along their first dimension.
  at::Tensor joined(std::vector<std::string> const& names) const {
    std::vector<std::int64_t> shape;
    for (auto const& name : names) {
      auto const& part = weights_.find(name)->shape;
      if (shape.empty()) {
        shape = part;
      } else {
        shape[0] += part[0];
      }
    }
    auto whole = at::empty(shape, options_);
    std::int64_t row = 0;
    for (auto const& name : names) {
      auto const& view = *weights_.find(name);
      copy_into(whole.narrow(0, row, view.shape[0]), view);
      row += view.shape[0];
    }
    return whole;
  }

  linear_weights linear(std::vector<std::string> modules, bool bias) const {
    std::vector<std::string> biases;
    for (auto& module : modules) {
      biases.push_back(module + ".bias");
      module += ".weight";
    }
    return {joined(modules), bias ? joined(biases) : at::Tensor{}};
  }

  void load_layer(std::string const& unit, std::int64_t layer) {
    auto const attention = unit + ".self_attn.", mlp = unit + ".mlp.";
    layer_weights w;
    w.input_norm = joined({unit + ".input_layernorm.weight"});
    w.qkv = linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, config_.qkv_bias);
    if (config_.qk_norm) {
      w.query_norm = joined({attention + "q_norm.weight"});
      w.key_norm = joined({attention + "k_norm.weight"});
    }
    w.output = linear({attention + "o_proj"}, config_.output_bias);
    w.attention_norm = joined({unit + ".post_attention_layernorm.weight"});
    w.gate_up = linear({mlp + "gate_proj", mlp + "up_proj"}, config_.mlp_bias);
    w.down = linear({mlp + "down_proj"}, config_.mlp_bias);
    w.window = config_.window_of(layer);
    stage_.layers.push_back(std::move(w));
  }

  void load_head() {
    auto const& table = stage_.embedding.defined() ? stage_.embedding : embedding_;
    bool const shared = config_.tied_embeddings && table.defined() && table.device() == options_.device();
    stage_.head.weight = shared ? table : joined({std::string(head_weight_name(config_))});
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

}  // namespace gpuplace::torch_detail
