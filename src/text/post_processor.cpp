#include "post_processor.hpp"

namespace gpuplace::text {

namespace {
result<std::vector<token_id>> ids_of(json const& tokens, std::string const& name) {
  auto const found = tokens.find(name);
  std::vector<token_id> ids;
  if (found != tokens.end())
    for (auto const& id : list_member(*found, "ids"))
      if (id.is_number_integer()) ids.push_back(id.get<token_id>());
  if (ids.empty()) return error{errc::malformed, "post_processor: no ids for the special token '" + name + "'"};
  return ids;
}

/// [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]
result<post_processor> read_template(json const& part) {
  post_processor made;
  auto const tokens = part.value("special_tokens", json::object());
  bool text_seen = false;
  for (auto const& item : list_member(part, "single")) {
    if (item.contains("Sequence")) {
      if (text_seen) return error{errc::unsupported, "post_processor 'TemplateProcessing' with the text twice is not known"};
      text_seen = true;
      continue;
    }
    GPUPLACE_TRY(auto const ids, ids_of(tokens, text_member(item.value("SpecialToken", json::object()), "id")));
    auto& side = text_seen ? made.behind : made.before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!text_seen) return error{errc::malformed, "post_processor 'TemplateProcessing' has no place for the text"};
  return made;
}
}  // namespace

result<post_processor> post_processor::read(json const& part) {
  post_processor made;
  auto const type = type_of(part);
  if (part.is_null() || type == "ByteLevel") return made;
  if (type == "TemplateProcessing") return read_template(part);
  if (type != "Sequence") return unknown_part("post_processor", part);
  for (auto const& child : list_member(part, "processors")) {
    GPUPLACE_TRY(auto const step, read(child));
    made.before.insert(made.before.begin(), step.before.begin(), step.before.end());
    made.behind.insert(made.behind.end(), step.behind.begin(), step.behind.end());
  }
  return made;
}

}  // namespace gpuplace::text
