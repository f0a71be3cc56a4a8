#include <gpuplace/text/tokenizer_config.hpp>

#include "file_text.hpp"
#include "json_parts.hpp"

namespace gpuplace::text {

namespace {
/// A token is written as its spelling or as an object with a "content".
std::string spelling_of(json const& value) {
  return value.is_string() ? value.get<std::string>() : value.is_object() ? text_member(value, "content") : "";
}

std::optional<bool> optional_flag(json const& file, char const* name) {
  auto const found = file.find(name);
  return found != file.end() && found->is_boolean() ? std::optional(found->get<bool>()) : std::nullopt;
}

result<void> read_templates(json const& file, tokenizer_config& config, std::string const& source) {
  auto const found = file.find("chat_template");
  if (found == file.end() || found->is_null()) return {};
  if (found->is_string()) {
    config.chat_template = found->get<std::string>();
    return {};
  }
  if (!found->is_array()) return error{errc::malformed, "chat_template is neither a text nor a list of templates", source};
  for (auto const& entry : *found) {
    auto const name = entry.is_object() ? text_member(entry, "name") : "";
    if (name.empty()) return error{errc::malformed, "a chat template has no name", source};
    config.named_templates[name] = text_member(entry, "template");
  }
  if (auto const chosen = config.named_templates.find("default"); chosen != config.named_templates.end())
    config.chat_template = chosen->second;
  return {};
}
}  // namespace

result<tokenizer_config> tokenizer_config::parse(std::string_view text, std::string const& source) {
  auto const file = json::parse(text, nullptr, false);
  if (file.is_discarded() || !file.is_object()) return error{errc::malformed, "not a JSON object", source};
  tokenizer_config config;
  GPUPLACE_CHECK(read_templates(file, config, source));
  for (auto const* role : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (auto spelling = file.contains(role) ? spelling_of(file[role]) : ""; !spelling.empty())
      config.special_tokens[role] = std::move(spelling);
  config.add_bos_token = optional_flag(file, "add_bos_token");
  config.add_eos_token = optional_flag(file, "add_eos_token");
  return config;
}

result<tokenizer_config> tokenizer_config::read(std::filesystem::path const& given) {
  if (!std::filesystem::exists(given))
    return error{errc::not_found, "no such checkpoint", given.string(), "name a folder with a tokenizer_config.json"};
  auto const folder = std::filesystem::is_directory(given) ? given : given.parent_path();
  auto const path = std::filesystem::is_directory(given) ? given / "tokenizer_config.json" : given;
  tokenizer_config config;
  if (std::filesystem::exists(path)) {
    GPUPLACE_TRY(auto const text, file_text(path));
    GPUPLACE_TRY(config, parse(text, path.string()));
  }
  if (auto const jinja = folder / "chat_template.jinja"; std::filesystem::exists(jinja)) {
    GPUPLACE_TRY(config.chat_template, file_text(jinja));
  }
  return config;
}

}  // namespace gpuplace::text
