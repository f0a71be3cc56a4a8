#include "sentencepiece_model.hpp"

#include "file_text.hpp"

#include <algorithm>
#include <charconv>
#include <map>

namespace gpuplace::text {

namespace {
constexpr auto roles = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/// The object in a file; `object` stays as it is where there is no such file.
result<void> read_object(std::filesystem::path const& path, json& object) {
  if (!std::filesystem::exists(path)) return {};
  GPUPLACE_TRY(auto const text, file_text(path));
  object = json::parse(text, nullptr, false);
  if (object.is_discarded() || !object.is_object()) return error{errc::malformed, "not a JSON object", path.string()};
  return {};
}

/// One token: a spelling, or an object that has it as "content" beside its flags.
void add(json& list, json const& token, std::optional<std::int64_t> id, bool special) {
  auto entry = token.is_object() ? token : json{{"content", token.is_string() ? token : json("")}};
  if (text_member(entry, "content").empty()) return;
  entry["special"] = flag(entry, "special", special);
  entry["normalized"] = false;  // looked for in the text as it is given
  entry.erase("id");
  if (id) entry["id"] = *id;
  list.push_back(std::move(entry));
}

void add_named(json& list, json const& file) {
  for (auto const* role : roles)
    if (file.contains(role)) add(list, file[role], {}, true);
  for (auto const& token : list_member(file, "additional_special_tokens")) add(list, token, {}, true);
}

/// {"32000": {"content": "<pad>", …}}
void add_numbered(json& list, json const& file) {
  auto const tokens = file.value("added_tokens_decoder", json::object());
  if (!tokens.is_object()) return;
  for (auto const& [key, token] : tokens.items()) {
    std::int64_t id = -1;
    std::from_chars(key.data(), key.data() + key.size(), id);
    if (token.is_object()) add(list, token, id, false);
  }
}
}  // namespace

json sentencepiece_settings::entries(json const& special_pieces, vocabulary const& tokens) const {
  auto list = json::array();
  std::map<std::string, std::size_t> place;
  auto next = static_cast<std::int64_t>(tokens.rows());
  for (auto const* from : {&added, &special_pieces})
    for (auto entry : *from) {
      auto const content = text_member(entry, "content");
      if (auto const [at, is_new] = place.try_emplace(content, list.size()); !is_new) {
        if (flag(entry, "special", false)) list[at->second]["special"] = true;
        continue;
      }
      if (auto const known = tokens.id(content)) entry["id"] = *known;
      else if (!entry.contains("id")) entry["id"] = next;
      next = std::max(next, entry["id"].get<std::int64_t>() + 1);
      list.push_back(std::move(entry));
    }
  return list;
}

result<sentencepiece_settings> sentencepiece_settings::read(std::filesystem::path const& folder) {
  json config = json::object(), map = json::object(), extra = json::object();
  GPUPLACE_CHECK(read_object(folder / "tokenizer_config.json", config));
  GPUPLACE_CHECK(read_object(folder / "special_tokens_map.json", map));
  GPUPLACE_CHECK(read_object(folder / "added_tokens.json", extra));
  sentencepiece_settings made;
  add_numbered(made.added, config);
  for (auto const& [content, id] : extra.items())
    if (id.is_number_integer()) add(made.added, content, id.get<std::int64_t>(), false);
  add_named(made.added, config);
  add_named(made.added, map);
  if (config.contains("add_bos_token") && config["add_bos_token"].is_boolean()) made.add_bos = config["add_bos_token"].get<bool>();
  made.add_eos = flag(config, "add_eos_token", false);
  made.space_before_each = flag(config, "legacy", true);
  return made;
}

}  // namespace gpuplace::text
