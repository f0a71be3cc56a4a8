#include "pre_tokenizer.hpp"

#include "unicode.hpp"

#include <algorithm>

namespace gpuplace::text {

namespace {
/// GPT-2's cut: contractions, words, numbers, the rest, white space.
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct part_of_text {
  span_of_text where;
  bool match;
};

std::vector<span_of_text> find_all(std::string_view needle, std::string_view text) {
  std::vector<span_of_text> found;
  if (needle.empty()) return found;
  for (auto at = text.find(needle); at != text.npos; at = text.find(needle, at + needle.size()))
    found.push_back({at, at + needle.size()});
  return found;
}

std::vector<span_of_text> numbers_of(std::string_view text) {
  std::vector<span_of_text> found;
  for (std::size_t at = 0; at < text.size();) {
    auto const begin = at;
    if (unicode::is_number(unicode::next(text, at))) found.push_back({begin, at});
  }
  return found;
}

/// The whole text as matches and what lies between them.
std::vector<part_of_text> covered(std::vector<span_of_text> const& matches, std::size_t size, bool invert) {
  std::vector<part_of_text> parts;
  std::size_t done = 0;
  for (auto const& m : matches) {
    if (done != m.begin) parts.push_back({{done, m.begin}, invert});
    parts.push_back({m, !invert});
    done = m.end;
  }
  if (done != size) parts.push_back({{done, size}, invert});
  return parts;
}

std::vector<part_of_text> contiguous(std::vector<part_of_text> const& parts) {
  std::vector<part_of_text> out;
  for (auto const& p : parts) {
    if (!out.empty() && out.back().match == p.match)
      out.back().where.end = p.where.end;
    else
      out.push_back(p);
  }
  return out;
}

std::vector<part_of_text> merged_with_previous(std::vector<part_of_text> const& parts) {
  std::vector<part_of_text> out;
  bool after_match = false;
  for (auto const& p : parts) {
    if (p.match && !after_match && !out.empty())
      out.back().where.end = p.where.end;
    else
      out.push_back(p);
    after_match = p.match;
  }
  return out;
}

std::vector<part_of_text> merged_with_next(std::vector<part_of_text> parts) {
  std::vector<part_of_text> out;
  bool before_match = false;
  std::reverse(parts.begin(), parts.end());
  for (auto const& p : parts) {
    if (p.match && !before_match && !out.empty())
      out.back().where.begin = p.where.begin;
    else
      out.push_back(p);
    before_match = p.match;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<part_of_text> arranged(std::vector<part_of_text> parts, delimiter behavior) {
  switch (behavior) {
    case delimiter::isolated: break;
    case delimiter::removed: std::erase_if(parts, [](auto const& p) { return p.match; }); break;
    case delimiter::contiguous: return contiguous(parts);
    case delimiter::merged_with_previous: return merged_with_previous(parts);
    case delimiter::merged_with_next: return merged_with_next(std::move(parts));
  }
  return parts;
}

struct applied_step {
  std::string_view text;

  std::vector<part_of_text> operator()(split_step const& s) const {
    auto const* compiled = std::get_if<regex>(&s.pattern);
    auto const matches = compiled != nullptr ? compiled->find_all(text) : find_all(std::get<std::string>(s.pattern), text);
    return arranged(covered(matches, text.size(), s.invert), s.behavior);
  }
  std::vector<part_of_text> operator()(digits_step const& s) const {
    return arranged(covered(numbers_of(text), text.size(), false), s.individual ? delimiter::isolated : delimiter::contiguous);
  }
  std::vector<part_of_text> operator()(prefix_space_step) const { return {{{0, text.size()}, false}}; }
};

std::vector<std::string> applied(pre_token_step const& step, std::vector<std::string> const& pieces) {
  std::vector<std::string> out;
  for (auto const& piece : pieces) {
    if (std::holds_alternative<prefix_space_step>(step)) {
      out.push_back(piece.starts_with(' ') ? piece : ' ' + piece);
      continue;
    }
    for (auto const& p : std::visit(applied_step{piece}, step))
      if (p.where.begin != p.where.end) out.push_back(piece.substr(p.where.begin, p.where.end - p.where.begin));
  }
  return out;
}

result<delimiter> delimiter_named(std::string const& name) {
  if (name == "Removed") return delimiter::removed;
  if (name == "Isolated") return delimiter::isolated;
  if (name == "MergedWithPrevious") return delimiter::merged_with_previous;
  if (name == "MergedWithNext") return delimiter::merged_with_next;
  if (name == "Contiguous") return delimiter::contiguous;
  return error{errc::unsupported, "pre_tokenizer 'Split' with the behavior '" + name + "' is not known"};
}
}  // namespace

result<void> pre_tokenizer::add_split(json const& part) {
  GPUPLACE_TRY(auto const behavior, delimiter_named(text_member(part, "behavior")));
  auto const pattern = part.value("pattern", json::object());
  auto const expression = text_member(pattern, "Regex");
  auto const literal = text_member(pattern, "String");
  if (expression.empty() && literal.empty()) return error{errc::malformed, "pre_tokenizer 'Split' has no pattern"};
  split_step step{literal, behavior, flag(part, "invert", false)};
  if (!expression.empty()) {
    GPUPLACE_TRY(step.pattern, regex::compile(expression));
  }
  steps_.emplace_back(std::move(step));
  return {};
}

result<void> pre_tokenizer::add_byte_level(json const& part) {
  byte_level_ = true;
  if (flag(part, "add_prefix_space", true)) steps_.emplace_back(prefix_space_step{});
  if (!flag(part, "use_regex", true)) return {};
  GPUPLACE_TRY(auto compiled, regex::compile(gpt2_pattern));
  steps_.emplace_back(split_step{std::move(compiled), delimiter::isolated, false});
  return {};
}

result<void> pre_tokenizer::add(json const& part) {
  auto const type = type_of(part);
  // Behind ByteLevel a text is in its alphabet, where patterns would see other characters.
  if (byte_level_) return error{errc::unsupported, "pre_tokenizer '" + type + "' behind 'ByteLevel' is not known"};
  if (type == "Split") return add_split(part);
  if (type == "ByteLevel") return add_byte_level(part);
  if (type == "Digits") {
    steps_.emplace_back(digits_step{flag(part, "individual_digits", false)});
    return {};
  }
  if (type != "Sequence") return unknown_part("pre_tokenizer", part);
  for (auto const& child : list_member(part, "pretokenizers")) GPUPLACE_CHECK(add(child));
  return {};
}

result<pre_tokenizer> pre_tokenizer::read(json const& part) {
  pre_tokenizer made;
  if (!part.is_null()) GPUPLACE_CHECK(made.add(part));
  if (!made.byte_level_)
    return error{errc::unsupported, "a tokenizer whose pre_tokenizer has no 'ByteLevel' is not known", {},
                 "gpuplace reads byte-level BPE tokenizers: those of GPT-2, SmolLM2, Qwen2, Qwen2.5, Qwen3 and Llama 3"};
  return made;
}

std::vector<std::string> pre_tokenizer::pieces(std::string text) const {
  std::vector<std::string> now;
  if (!text.empty()) now.push_back(std::move(text));
  for (auto const& step : steps_) now = applied(step, now);
  return now;
}

}  // namespace gpuplace::text
