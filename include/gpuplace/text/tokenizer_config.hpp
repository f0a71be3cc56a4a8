#pragma once
/// @file
/// What a checkpoint's `tokenizer_config.json` and `chat_template.jinja` say beside the vocabulary.

#include <gpuplace/core/result.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplace::text {

/// Settings of a tokenizer that its `tokenizer.json` does not hold.
struct tokenizer_config {
  std::optional<std::string> chat_template;            ///< Jinja source; the one named "default" where there are several
  std::map<std::string, std::string> named_templates;  ///< all of them where there are several, by name
  std::map<std::string, std::string> special_tokens;   ///< spelling by role: bos_token, eos_token, pad_token, unk_token, …
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;

  std::optional<std::string> bos_token() const { return special_token("bos_token"); }
  std::optional<std::string> eos_token() const { return special_token("eos_token"); }
  std::optional<std::string> special_token(std::string const& role) const {
    auto const found = special_tokens.find(role);
    return found == special_tokens.end() ? std::nullopt : std::optional(found->second);
  }

  /// Reads a checkpoint folder, or a `tokenizer_config.json`. A `chat_template.jinja` beside it wins over the template inside.
  /// A folder with neither file gives empty settings.
  /// Errors:     errc::not_found for a missing folder, errc::unreadable, errc::malformed
  static result<tokenizer_config> read(std::filesystem::path const& checkpoint_folder_or_file);

  /// Errors:     errc::malformed; `source` names the text in errors
  static result<tokenizer_config> parse(std::string_view json, std::string const& source = "tokenizer_config.json");
};

}  // namespace gpuplace::text
