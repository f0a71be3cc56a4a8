#pragma once
/// @file
/// Small models with made-up numbers, written as checkpoints.

#include <cstddef>
#include <filesystem>
#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/tensors.hpp>
#include <gpuplace/weights/safetensors.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/temporary_folder.hpp"

namespace gpuplace::testing_tools {

/// A tensor that owns what its view shows.
struct owned_tensor {
  std::string name;
  element_type type = element_type::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  tensor_view view() const { return {name, type, shape, data}; }
};

inline owned_tensor make_tensor(std::string name, element_type type, std::vector<std::int64_t> shape) {
  std::int64_t size = element_size(type);
  for (auto const n : shape) size *= n;
  owned_tensor tensor{std::move(name), type, std::move(shape), std::vector<std::byte>(static_cast<std::size_t>(size))};
  for (std::size_t i = 0; i < tensor.data.size(); ++i) tensor.data[i] = static_cast<std::byte>(i * 7 + tensor.name.size());
  return tensor;
}

inline result<void> write_tensors(std::filesystem::path const& path, std::span<owned_tensor const> tensors) {
  std::vector<tensor_view> views;
  for (auto const& tensor : tensors) views.push_back(tensor.view());
  return write_safetensors(path, views);
}

/// config.json of a small model of the class `name`.
inline nlohmann::json tiny_config(std::string const& name, bool tied) {
  return {{"architectures", {name}},
          {"hidden_size", 16},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"head_dim", 4},
          {"num_key_value_heads", 2},
          {"intermediate_size", 24},
          {"vocab_size", 40},
          {"tie_word_embeddings", tied},
          {"torch_dtype", "bfloat16"},
          {"max_position_embeddings", 64},
          {"eos_token_id", 2}};
}

/// All tensors that `config` asks for, in bf16.
inline std::vector<owned_tensor> tiny_tensors(model_config const& config) {
  std::vector<owned_tensor> tensors;
  for (auto const& spec : expected_tensors(config)) tensors.push_back(make_tensor(spec.name, element_type::bf16, spec.shape));
  return tensors;
}

/// Writes the tensors over `shards` files with an index.
inline void write_shards(temporary_folder const& folder, std::span<owned_tensor const> tensors, std::size_t shards) {
  nlohmann::json index;
  for (std::size_t s = 0; s < shards; ++s) {
    auto const name = "model-" + std::to_string(s + 1) + ".safetensors";
    auto const part = tensors.subspan(s * tensors.size() / shards, (s + 1) * tensors.size() / shards - s * tensors.size() / shards);
    write_tensors(folder.path() / name, part).value();
    for (auto const& tensor : part) index["weight_map"][tensor.name] = name;
  }
  folder.write("model.safetensors.index.json", index.dump());
}

}  // namespace gpuplace::testing_tools
