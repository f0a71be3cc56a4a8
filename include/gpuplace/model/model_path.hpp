#pragma once
/// @file
/// What a user wrote for a model (a folder, a config.json, `preset:NAME`, `Org/Name`) as a place to read it from.

#include <cstdlib>
#include <filesystem>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/json_file.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpuplace {

/// Where a model is read from. For a preset `preset` is its name; else `path` is a folder or a config.json.
struct model_location {
  std::string name;  ///< what people call it
  std::string preset;
  std::filesystem::path path;

  bool is_preset() const { return !preset.empty(); }
  friend bool operator==(model_location const&, model_location const&) = default;
};

namespace detail {

inline std::string environment(char const* name) {
  char const* const value = std::getenv(name);
  return value ? value : "";
}

/// `Org/Name`, as Hugging Face writes a repository: two parts of letters, digits, '-', '_' and '.'.
inline bool is_repository_name(std::string_view text) {
  auto const slash = text.find('/');
  if (slash == 0 || slash == text.npos || slash + 1 == text.size() || text.front() == '.' || text[slash + 1] == '.') return false;
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return text.substr(0, slash).find_first_not_of(allowed) == text.npos &&
         text.substr(slash + 1).find_first_not_of(allowed) == text.npos;
}

/// The name of the folder that `path` leads to, whatever way it is written ("models/x/", ".").
inline std::string folder_name(std::filesystem::path const& path) {
  std::error_code failed;
  auto whole = std::filesystem::absolute(path, failed).lexically_normal();
  if (whole.filename().empty()) whole = whole.parent_path();
  return whole.filename().string();
}

}  // namespace detail

/// The folder where Hugging Face's tools keep what they downloaded.
/// Source:     huggingface_hub: HF_HUB_CACHE, then HF_HOME/hub, then ~/.cache/huggingface/hub
inline std::filesystem::path hugging_face_cache() {
  if (auto const cache = detail::environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (auto const home = detail::environment("HF_HOME"); !home.empty()) return std::filesystem::path(home) / "hub";
  auto const xdg = detail::environment("XDG_CACHE_HOME");
  auto const cache = xdg.empty() ? std::filesystem::path(detail::environment("HOME")) / ".cache" : std::filesystem::path(xdg);
  return cache / "huggingface" / "hub";
}

/// The folder of the downloaded main revision of `Org/Name`; one without a readable config.json counts as not downloaded.
/// Errors:     errc::not_found, with the command that downloads it
inline result<std::filesystem::path> find_in_hugging_face_cache(std::string_view repository, std::filesystem::path const& cache) {
  auto const slash = repository.find('/');
  auto const entry = "models--" + std::string(repository.substr(0, slash)) + "--" + std::string(repository.substr(slash + 1));
  auto const revision = read_text_file(cache / entry / "refs" / "main");
  if (revision) {
    auto const last = revision->find_last_not_of(" \r\n\t");
    auto folder = cache / entry / "snapshots" / revision->substr(0, last + 1);
    std::error_code ignored;
    if (last != std::string::npos && std::filesystem::exists(folder / "config.json", ignored)) return folder;
  }
  return error{errc::not_found, "is neither a folder nor in the Hugging Face cache " + cache.string(), std::string(repository),
               "download it:  hf download " + std::string(repository)};
}

/// Finds what `text` names: `preset:NAME`, a folder, a file, or `Org/Name` in the Hugging Face cache.
/// Errors:     errc::not_found, with what to do
inline result<model_location> find_model(std::string_view text) {
  constexpr std::string_view prefix = "preset:";
  if (text.starts_with(prefix)) {
    std::string const name(text.substr(prefix.size()));
    if (name.empty()) return error{errc::invalid_argument, "'preset:' needs a name behind it", {}, "for example preset:qwen2.5-7b"};
    return model_location{name, name, {}};
  }
  std::filesystem::path path(text);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return model_location{detail::folder_name(path), {}, path};
  if (std::filesystem::exists(path, ignored))
    return model_location{detail::folder_name(std::filesystem::absolute(path, ignored).parent_path()), {}, path};
  if (detail::is_repository_name(text)) {
    GPUPLACE_TRY(auto folder, find_in_hugging_face_cache(text, hugging_face_cache()));
    return model_location{std::string(text), {}, std::move(folder)};
  }
  return error{errc::not_found, "no such model", std::string(text),
               "give a folder, a config.json, preset:NAME, or Org/Name of a model in the Hugging Face cache"};
}

}  // namespace gpuplace
