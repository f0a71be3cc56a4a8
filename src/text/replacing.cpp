#include "replacing.hpp"

#include "growth.hpp"

namespace gpuplace::text {

result<text_pattern> read_pattern(json const& part, std::string const& role) {
  auto const pattern = part.value("pattern", json::object());
  if (pattern.is_object()) {
    if (auto const expression = text_member(pattern, "Regex"); !expression.empty()) {
      GPUPLACE_TRY(auto compiled, regex::compile(expression));
      return text_pattern(std::move(compiled));
    }
    if (auto literal = text_member(pattern, "String"); !literal.empty()) return text_pattern(std::move(literal));
  }
  return error{errc::malformed, role + " has no pattern"};
}

std::vector<span_of_text> find_all(text_pattern const& pattern, std::string_view text) {
  if (auto const* expression = std::get_if<regex>(&pattern)) return expression->find_all(text);
  auto const& needle = std::get<std::string>(pattern);
  std::vector<span_of_text> found;
  for (auto at = text.find(needle); at != text.npos; at = text.find(needle, at + needle.size()))
    found.push_back({at, at + needle.size()});
  return found;
}

std::string replaced(text_pattern const& pattern, std::string_view content, std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (auto const& m : find_all(pattern, text)) {
    out.append(text.substr(done, m.begin - done)).append(content);
    limit_growth(text.size(), out.size());
    done = m.end;
  }
  return out.append(text.substr(done));
}

}  // namespace gpuplace::text
