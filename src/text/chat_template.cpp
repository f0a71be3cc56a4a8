#include <gpuplace/text/chat_template.hpp>

#include <gpuplace/text/tokenizer_config.hpp>

#include "jinja/evaluator.hpp"
#include "jinja/parser.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
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

/// What a model thought goes by several names; as in transformers a template finds it by the two that templates read.
jinja::value with_names_of_reasoning(jinja::value const& message) {
  auto const* given = message.dict();
  if (given == nullptr) return message;
  jinja::value const* reasoning = nullptr;
  for (auto const* name : {"reasoning_content", "thinking", "reasoning"})
    if (auto const* found = given->find_text(name); reasoning == nullptr && found != nullptr && !found->is_none())
      reasoning = found;
  if (reasoning == nullptr) return message;
  auto items = given->items;
  auto const set = [&](char const* name, bool keep, std::size_t place) {
    auto const same = [&](auto const& item) { return item.first.text() != nullptr && *item.first.text() == name; };
    auto const at = std::find_if(items.begin(), items.end(), same);
    if (at == items.end())
      items.insert(items.begin() + static_cast<std::ptrdiff_t>(place), {jinja::value(std::string(name)), *reasoning});
    else if (!keep) at->second = *reasoning;
  };
  set("thinking", true, 0);
  set("reasoning_content", false, items.size());
  return jinja::make_dict(std::move(items));
}

jinja::value messages_of(jinja::value const& messages) {
  auto const* list = messages.list();
  if (list == nullptr) return messages;
  jinja::values all;
  for (auto const& message : list->items) all.push_back(with_names_of_reasoning(message));
  return jinja::make_list(std::move(all));
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
  all["messages"] = messages_of(jinja::from_json(messages));
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

result<chat_template> chat_template::parse_with(std::string const& source, std::string where,
                                                std::map<std::string, std::string> special_tokens) {
  try {
    return chat_template(std::make_shared<parts const>(parts{jinja::parse(source), where, std::move(special_tokens)}));
  } catch (jinja::fault const& f) {
    return as_error(f, where);
  }
}

result<chat_template> chat_template::parse(std::string source, std::string where) {
  return parse_with(source, std::move(where), {});
}

result<chat_template> chat_template::read(std::filesystem::path const& folder) {
  GPUPLACE_TRY(auto const settings, tokenizer_config::read(folder));
  if (!settings.chat_template)
    return error{errc::not_found, "the checkpoint has no chat template", folder.string(),
                 "give prompts as plain text, or put a chat_template.jinja into the folder"};
  std::error_code none;
  auto const own_file = folder / "chat_template.jinja";
  auto const where = std::filesystem::exists(own_file, none) ? own_file.string()
                                                             : (folder / "tokenizer_config.json").string() + " (chat_template)";
  return parse_with(*settings.chat_template, where, settings.special_tokens);
}

result<std::string> chat_template::render(nlohmann::ordered_json const& messages, bool add_generation_prompt,
                                          nlohmann::ordered_json const& variables, clock const& now) const {
  return filled(*parts_, messages, add_generation_prompt, variables, now);
}

result<std::string> chat_template::render(nlohmann::json const& messages, bool add_generation_prompt,
                                          nlohmann::json const& variables, clock const& now) const {
  return filled(*parts_, messages, add_generation_prompt, variables, now);
}

result<std::string> chat_template::render(nlohmann::ordered_json const& messages, bool add_generation_prompt) const {
  return render(messages, add_generation_prompt, nlohmann::ordered_json::object());
}

result<std::string> chat_template::render(nlohmann::json const& messages, bool add_generation_prompt) const {
  return render(messages, add_generation_prompt, nlohmann::json::object());
}

}  // namespace gpuplace::text
