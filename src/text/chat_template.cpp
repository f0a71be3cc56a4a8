#include <gpuplace/text/chat_template.hpp>

#include "jinja/evaluator.hpp"
#include "jinja/parser.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace gpuplace::text {

struct chat_template::parts {
  jinja::block program;
  std::string where;
  std::map<std::string, std::string> special_tokens;
};

chat_template::chat_template(std::shared_ptr<parts const> p) : parts_(std::move(p)) {}

namespace {

error as_error(jinja::fault const& f, std::string const& where) {
  std::string remedy;
  if (f.code == errc::malformed) remedy = "correct the template, or give prompts as plain text";
  if (f.code == errc::unsupported) remedy = "give prompts as plain text, already in the model's format";
  if (f.code == errc::invalid_argument) remedy = "the template of this model does not take such a conversation";
  return {f.code, f.what, where + ":" + std::to_string(f.line), remedy};
}

result<std::string> read_file(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return error{errc::unreadable, "the file cannot be opened", path.string(), "check that the file may be read"};
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return error{errc::unreadable, "the file cannot be read", path.string(), "check the disk and the file's permissions"};
  return text;
}

result<nlohmann::json> read_settings(std::filesystem::path const& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return result<nlohmann::json>(boost::system::in_place_value, nlohmann::json::object());
  GPUPLACE_TRY(auto const text, read_file(path));
  auto settings = nlohmann::json::parse(text, nullptr, false);
  if (!settings.is_object()) return error{errc::malformed, "the file is no JSON object", path.string(), "download the file again"};
  return result<nlohmann::json>(boost::system::in_place_value, std::move(settings));
}

// The template in a tokenizer_config.json: a string, or a list of named ones.
std::optional<std::string> template_of(nlohmann::json const& settings) {
  auto const found = settings.find("chat_template");
  if (found == settings.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  for (auto const& named : *found) {
    if (!named.is_object() || !named.contains("name") || named["name"] != "default") continue;
    if (auto const source = named.find("template"); source != named.end() && source->is_string()) return source->get<std::string>();
  }
  return std::nullopt;
}

// Special tokens are strings, or objects with the spelling as "content".
std::map<std::string, std::string> special_tokens_of(nlohmann::json const& settings) {
  std::map<std::string, std::string> all;
  for (auto const role : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
    auto const found = settings.find(role);
    if (found == settings.end()) continue;
    if (found->is_string()) all[role] = found->get<std::string>();
    else if (found->is_object() && found->contains("content") && found->at("content").is_string()) all[role] = found->at("content").get<std::string>();
  }
  return all;
}

template <class Json>
std::map<std::string, jinja::value> variables_of(std::map<std::string, std::string> const& special_tokens, Json const& messages,
                                                 bool add_generation_prompt, Json const& variables) {
  std::map<std::string, jinja::value> all;
  for (auto const& [role, spelling] : special_tokens) all[role] = jinja::value(spelling);
  all["tools"] = jinja::value();
  all["documents"] = jinja::value();
  if (!variables.is_object() && !variables.is_null()) jinja::refuse("variables are no JSON object");
  for (auto const& [name, item] : variables.items()) all[name] = jinja::from_json(item);
  all["messages"] = jinja::from_json(messages);
  all["add_generation_prompt"] = jinja::value(add_generation_prompt);
  return all;
}

template <class Parts, class Json>
result<std::string> filled(Parts const& parts, Json const& messages, bool add_generation_prompt, Json const& variables,
                           chat_template::clock const& now) {
  try {
    return jinja::run(parts.program, variables_of(parts.special_tokens, messages, add_generation_prompt, variables), now);
  } catch (jinja::fault const& f) {
    return as_error(f, parts.where);
  }
}

}  // namespace

result<chat_template> chat_template::parse_with(std::string const& source, std::string where, std::map<std::string, std::string> special_tokens) {
  try {
    return chat_template(std::make_shared<parts const>(parts{jinja::parse(source), where, std::move(special_tokens)}));
  } catch (jinja::fault const& f) {
    return as_error(f, where);
  }
}

result<chat_template> chat_template::parse(std::string source, std::string where) { return parse_with(source, std::move(where), {}); }

result<chat_template> chat_template::read(std::filesystem::path const& folder) {
  auto const settings_path = folder / "tokenizer_config.json";
  auto const template_path = folder / "chat_template.jinja";
  GPUPLACE_TRY(auto const settings, read_settings(settings_path));
  auto source = template_of(settings);
  auto where = settings_path.string() + " (chat_template)";
  std::error_code none;
  if (std::filesystem::exists(template_path, none)) {
    GPUPLACE_TRY(source, read_file(template_path));
    where = template_path.string();
  }
  if (!source)
    return error{errc::not_found, "the checkpoint has no chat template", folder.string(),
                 "give prompts as plain text, or put a chat_template.jinja into the folder"};
  return parse_with(*source, std::move(where), special_tokens_of(settings));
}

result<std::string> chat_template::render(nlohmann::ordered_json const& messages, bool add_generation_prompt,
                                          nlohmann::ordered_json const& variables, clock const& now) const {
  return filled(*parts_, messages, add_generation_prompt, variables, now);
}

result<std::string> chat_template::render(nlohmann::json const& messages, bool add_generation_prompt, nlohmann::json const& variables,
                                          clock const& now) const {
  return filled(*parts_, messages, add_generation_prompt, variables, now);
}

result<std::string> chat_template::render(nlohmann::ordered_json const& messages, bool add_generation_prompt) const {
  return render(messages, add_generation_prompt, nlohmann::ordered_json::object());
}

result<std::string> chat_template::render(nlohmann::json const& messages, bool add_generation_prompt) const {
  return render(messages, add_generation_prompt, nlohmann::json::object());
}

}  // namespace gpuplace::text
