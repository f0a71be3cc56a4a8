#include "added_tokens.hpp"

#include "unicode.hpp"

#include <algorithm>

namespace gpuplace::text {

void token_finder::add(std::string_view content, std::size_t index) {
  if (content.empty()) return;
  begins_[static_cast<unsigned char>(content[0])] = true;
  std::size_t at = 0;
  for (auto const letter : content) {
    auto const c = static_cast<unsigned char>(letter);
    auto to = child(at, c);
    if (to == npos) {
      to = nodes_.size();
      auto& children = nodes_[at].children;
      children.insert(std::lower_bound(children.begin(), children.end(), std::pair{c, std::size_t{0}}), {c, to});
      nodes_.emplace_back();
    }
    at = to;
  }
  nodes_[at].index = index;
}

std::size_t token_finder::child(std::size_t at, unsigned char c) const {
  auto const& children = nodes_[at].children;
  auto const found = std::lower_bound(children.begin(), children.end(), std::pair{c, std::size_t{0}});
  return found != children.end() && found->first == c ? found->second : npos;
}

token_finder::match token_finder::find(std::string_view text, std::size_t from) const {
  for (; from < text.size(); ++from) {
    match best{from, from, npos};
    if (!begins_[static_cast<unsigned char>(text[from])]) continue;
    std::size_t state = 0;
    for (auto at = from; at < text.size(); ++at) {
      state = child(state, static_cast<unsigned char>(text[at]));
      if (state == npos) break;
      if (nodes_[state].index != npos) best = {from, at + 1, nodes_[state].index};
    }
    if (best.index != npos) return best;
  }
  return {text.size(), text.size(), npos};
}

namespace {
result<added_token> read_one(json const& entry) {
  auto const id = entry.is_object() ? entry.find("id") : entry.end();
  if (!entry.is_object() || id == entry.end() || !id->is_number_integer() || id->get<std::int64_t>() < 0 ||
      id->get<std::int64_t>() >= (1 << 24) || !entry.contains("content") || !entry["content"].is_string())
    return error{errc::malformed, "added_tokens: no id or content in " + entry.dump()};
  added_token t;
  t.id = id->get<token_id>();
  t.content = text_member(entry, "content");
  t.single_word = flag(entry, "single_word", false);
  t.lstrip = flag(entry, "lstrip", false);
  t.rstrip = flag(entry, "rstrip", false);
  t.special = flag(entry, "special", false);
  t.normalized = flag(entry, "normalized", !t.special);
  return t;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  auto before = begin, behind = end;
  return (begin == 0 || !unicode::is_word(unicode::previous(text, before))) &&
         (end == text.size() || !unicode::is_word(unicode::next(text, behind)));
}

std::size_t without_space_before(std::string_view text, std::size_t begin, std::size_t limit) {
  while (begin > limit) {
    auto at = begin;
    if (!unicode::is_white_space(unicode::previous(text, at))) break;
    begin = at;
  }
  return std::max(begin, limit);
}

std::size_t without_space_behind(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    auto at = end;
    if (!unicode::is_white_space(unicode::next(text, at))) break;
    end = at;
  }
  return end;
}
}  // namespace

result<added_tokens> added_tokens::read(json const& list, normalizer const& norm, vocabulary& tokens) {
  added_tokens made;
  for (auto const& entry : list) {
    GPUPLACE_TRY(auto token, read_one(entry));
    if (token.content.empty()) continue;
    token.id = tokens.id(token.content).value_or(token.id);
    tokens.add(token.id, token.content);
    if (token.special) made.special_.insert(token.id);
    auto const looked_for = token.normalized ? norm.apply(token.content) : token.content;
    tokens.respell(token.id, looked_for);
    (token.normalized ? made.normalized_ : made.raw_).add(looked_for, made.tokens_.size());
    made.tokens_.push_back(std::move(token));
  }
  return made;
}

void added_tokens::split(std::string_view text, bool normalized, on_text const& text_part, on_token const& token_part) const {
  auto const& finder = normalized ? normalized_ : raw_;
  std::size_t done = 0;
  for (auto m = finder.find(text, 0); m.index != token_finder::npos; m = finder.find(text, m.end)) {
    auto const& token = tokens_[m.index];
    if (token.single_word && !stands_alone(text, m.begin, m.end)) continue;
    auto const begin = token.lstrip ? without_space_before(text, m.begin, done) : m.begin;
    if (begin > done) text_part(text.substr(done, begin - done));
    token_part(token.id);
    done = token.rstrip ? without_space_behind(text, m.end) : m.end;
  }
  if (done < text.size()) text_part(text.substr(done));
}

}  // namespace gpuplace::text
