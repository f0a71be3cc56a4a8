#pragma once
/// @file
/// A checkpoint's weights: one safetensors file, or shards joined by an index.

#include <cstddef>
#include <filesystem>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/model/tensors.hpp>
#include <gpuplace/weights/safetensors.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// A checkpoint with several towers writes its language model's modules behind a prefix, which units do not have.
inline std::string_view name_in_model(std::string_view name) {
  constexpr std::string_view prefix = "language_model.";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

}  // namespace detail

/// The tensors of a folder's safetensors files by name. Views live as long as the checkpoint, also after it is moved.
/// Threads:    const calls are safe on shared objects
class checkpoint {
public:
  /// Takes open files whose tensors have different names.
  /// Errors:     errc::malformed for a tensor that two files hold
  static result<checkpoint> join(std::vector<safetensors_file> files) {
    checkpoint all;
    all.files_ = std::move(files);
    for (auto const& file : all.files_)
      for (auto const& tensor : file.tensors())
        if (!all.by_name_.emplace(detail::name_in_model(tensor.name), &tensor).second)
          return error{
              errc::malformed, "tensor '" + std::string(tensor.name) + "' is in another shard too", file.path().string(), {}};
    return all;
  }

  std::size_t size() const { return by_name_.size(); }
  std::vector<safetensors_file> const& files() const { return files_; }

  /// All tensors, sorted by name.
  std::vector<tensor_view> tensors() const {
    std::vector<tensor_view> all;
    for (auto const& entry : by_name_) add(entry, all);
    return all;
  }

  /// The tensor called `name`, or null.
  tensor_view const* find(std::string_view name) const {
    auto const found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  /// The tensors of a unit or of any other module (`model.layers.7`, `model.layers.7.mlp`), sorted by name.
  std::vector<tensor_view> tensors_of(std::string_view module) const {
    auto const prefix = std::string(module) + '.';
    std::vector<tensor_view> found;
    for (auto at = by_name_.lower_bound(prefix); at != by_name_.end() && at->first.starts_with(prefix); ++at) add(*at, found);
    return found;
  }

private:
  using named_view = std::pair<std::string_view const, tensor_view const*>;

  checkpoint() = default;

  static void add(named_view const& entry, std::vector<tensor_view>& views) {
    views.push_back(*entry.second);
    views.back().name = entry.first;
  }

  std::vector<safetensors_file> files_;
  std::map<std::string_view, tensor_view const*, std::less<>> by_name_;
};

namespace detail {

inline constexpr std::string_view single_file = "model.safetensors";
inline constexpr std::string_view index_file = "model.safetensors.index.json";

/// The shard of each tensor as the index states it; shards lie beside the index and nowhere else.
inline result<std::map<std::string, std::string>> read_weight_map(std::filesystem::path const& index) {
  GPUPLACE_TRY(auto const json, read_json_file(index));
  auto const refuse = [&](std::string const& what) { return error{errc::malformed, what, index.string(), "fetch the file again"}; };
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
    return refuse("'weight_map' is missing or not an object");
  std::map<std::string, std::string> shards;
  for (auto const& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string()) return refuse("the shard of tensor '" + tensor + "' is not a file name");
    auto const& name = shard.get_ref<std::string const&>();
    if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\0", 2)) != name.npos)
      return refuse("the shard of tensor '" + tensor + "' is not a file beside the index");
    shards.emplace(tensor, name);
  }
  return shards;
}

inline result<checkpoint> open_shards(std::filesystem::path const& folder) {
  GPUPLACE_TRY(auto const shard_of, read_weight_map(folder / index_file));
  std::map<std::string, bool> opened;
  std::vector<safetensors_file> files;
  for (auto const& [tensor, shard] : shard_of) {
    if (!opened.emplace(shard, true).second) continue;
    auto file = open_safetensors(folder / shard);
    if (!file && file.error().code == errc::not_found)
      return error{errc::not_found, "the shard of tensor '" + tensor + "' is missing", (folder / shard).string(),
                   "the download is incomplete; run it again"};
    if (!file) return std::move(file).error();
    files.push_back(*std::move(file));
  }
  GPUPLACE_TRY(auto joined, checkpoint::join(std::move(files)));
  for (auto const& [tensor, shard] : shard_of)
    if (!joined.find(name_in_model(tensor)))
      return error{
          errc::malformed, "tensor '" + tensor + "' is not there, though the index says so", (folder / shard).string(), {}};
  return joined;
}

/// Extra tensors that real checkpoints hold and nobody needs.
inline bool is_harmless(std::string_view name, model_config const& config) {
  bool const other_tower = name.starts_with("vision_tower.") || name.starts_with("multi_modal_projector.");
  return name.ends_with("rotary_emb.inv_freq") || (config.tied_embeddings && name == "lm_head.weight") ||
         (config.text_part && other_tower);
}

}  // namespace detail

/// Whether `folder` has weights that open_checkpoint would read, or a link to some: the Hugging Face cache keeps links, and one
/// that leads nowhere is an interrupted download, not a model without weights.
inline bool has_checkpoint(std::filesystem::path const& folder) {
  auto const there = [&](std::string_view name) {
    std::error_code ignored;
    return std::filesystem::symlink_status(folder / name, ignored).type() != std::filesystem::file_type::not_found;
  };
  return there(detail::single_file) || there(detail::index_file);
}

/// Opens model.safetensors, or else the shards that model.safetensors.index.json names.
/// Errors:     errc::not_found (no weights, a shard that is missing), and those of open_safetensors
inline result<checkpoint> open_checkpoint(std::filesystem::path const& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder / detail::single_file, ignored)) {
    GPUPLACE_TRY(auto file, open_safetensors(folder / detail::single_file));
    std::vector<safetensors_file> files;
    files.push_back(std::move(file));
    return checkpoint::join(std::move(files));
  }
  if (std::filesystem::exists(folder / detail::index_file, ignored)) return detail::open_shards(folder);
  if (has_checkpoint(folder))
    return error{errc::not_found, "has a link to weights that are not there", folder.string(),
                 "the download is incomplete; run it again"};
  return error{errc::not_found, "holds neither model.safetensors nor model.safetensors.index.json", folder.string(),
               "gpuplace reads safetensors alone; save the model with save_pretrained(..., safe_serialization=True)"};
}

/// What a checkpoint holds beyond what its configuration needs.
struct checkpoint_report {
  std::vector<std::string> ignored;     ///< known to be of no use: rotary frequencies, a tied head's copy
  std::vector<std::string> unexpected;  ///< of no unit that gpuplace knows: the model may compute something else

  friend bool operator==(checkpoint_report const&, checkpoint_report const&) = default;
};

/// Holds every tensor that `config` needs against the files.
/// Errors:     errc::mismatch for a tensor that is missing or has another shape; errc::unsupported for one that is not
///             fp32, bf16 or fp16
inline result<checkpoint_report> check_checkpoint(checkpoint const& weights, model_config const& config) {
  std::map<std::string, bool, std::less<>> expected;
  auto const where = weights.files().empty() ? std::string() : weights.files().front().path().parent_path().string();
  for (auto const& spec : expected_tensors(config)) {
    auto const* const tensor = weights.find(spec.name);
    if (!tensor)
      return error{errc::mismatch, "tensor '" + spec.name + "' is missing", where, "config.json and weights must be of one model"};
    if (tensor->shape != spec.shape)
      return error{
          errc::mismatch,
          "tensor '" + spec.name + "' is " + shape_text(tensor->shape) + " and config.json asks for " + shape_text(spec.shape),
          where, "config.json and weights must be of one model"};
    if (!to_dtype(tensor->type))
      return error{errc::unsupported, "tensor '" + spec.name + "' is " + std::string(to_string(tensor->type)), where,
                   "give weights in BF16, F16 or F32"};
    expected.emplace(spec.name, true);
  }
  checkpoint_report report;
  for (auto const& tensor : weights.tensors()) {
    if (expected.contains(tensor.name)) continue;
    auto& list = detail::is_harmless(tensor.name, config) ? report.ignored : report.unexpected;
    list.emplace_back(tensor.name);
  }
  return report;
}

/// Refuses a checkpoint that holds what its configuration does not account for: the model would compute something else.
/// Errors:     errc::mismatch, naming a tensor
inline result<void> refuse_unexpected(checkpoint_report const& report, std::string const& where) {
  if (report.unexpected.empty()) return {};
  auto const more = report.unexpected.size() - 1;
  return error{errc::mismatch,
               "tensor '" + report.unexpected.front() + "' " + (more > 0 ? "and " + std::to_string(more) + " more are" : "is") +
                   " not part of the model that config.json describes",
               where, "config.json and weights must be of one model"};
}

/// Sixteen hexadecimal digits over the names, formats and shapes of all tensors; how they are sharded does not matter.
inline std::string weights_fingerprint(checkpoint const& weights) {
  fnv1a hash;
  for (auto const& tensor : weights.tensors()) {
    hash.add(tensor.name).add(to_string(tensor.type)).add(static_cast<std::int64_t>(tensor.shape.size()));
    for (auto const size : tensor.shape) hash.add(size);
  }
  return hash.hex();
}

}  // namespace gpuplace
