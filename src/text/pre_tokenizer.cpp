#include "pre_tokenizer.hpp"

#include "unicode.hpp"

#include <algorithm>

namespace gpuplace::text {

namespace {
/// GPT-2's cut: contractions, words, numbers, the rest, white space.
constexpr std::string_view gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct part_of_text {
  span_of_text where;
  bool match;
};

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
    if (!out.empty() && out.back().match == p.match) out.back().where.end = p.where.end;
    else out.push_back(p);
  }
  return out;
}

std::vector<part_of_text> merged_with_previous(std::vector<part_of_text> const& parts) {
  std::vector<part_of_text> out;
  bool after_match = false;
  for (auto const& p : parts) {
    if (p.match && !after_match && !out.empty()) out.back().where.end = p.where.end;
    else out.push_back(p);
    after_match = p.match;
  }
  return out;
}

std::vector<part_of_text> merged_with_next(std::vector<part_of_text> parts) {
  std::vector<part_of_text> out;
  bool before_match = false;
  std::reverse(parts.begin(), parts.end());
  for (auto const& p : parts) {
    if (p.match && !before_match && !out.empty()) out.back().where.begin = p.where.begin;
    else out.push_back(p);
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
    return arranged(covered(find_all(s.pattern, text), text.size(), s.invert), s.behavior);
  }
  std::vector<part_of_text> operator()(digits_step const& s) const {
    return arranged(covered(numbers_of(text), text.size(), false), s.individual ? delimiter::isolated : delimiter::contiguous);
  }
};

void cut(std::vector<part_of_text> const& parts, text_piece const& piece, std::vector<text_piece>& out) {
  for (auto const& [where, match] : parts)
    if (where.begin != where.end)
      out.push_back({piece.text.substr(where.begin, where.end - where.begin), piece.first && where.begin == 0});
}

/// Applies one step to one piece.
struct step_on_piece {
  text_piece& piece;
  std::vector<text_piece>& out;

  void operator()(prefix_space_step) const {
    if (!piece.text.starts_with(' ')) piece.text.insert(0, 1, ' ');
    out.push_back(std::move(piece));
  }
  void operator()(metaspace_step const& step) const {
    piece.text = replaced(" ", step.replacement, piece.text);
    auto const wanted = step.scheme == prepend_scheme::always || (step.scheme == prepend_scheme::first && piece.first);
    if (wanted && !piece.text.starts_with(step.replacement)) piece.text.insert(0, step.replacement);
    if (!step.split) return out.push_back(std::move(piece));
    auto const parts = covered(find_all(step.replacement, piece.text), piece.text.size(), false);
    cut(arranged(parts, delimiter::merged_with_next), piece, out);
  }
  template <class Cut>
  void operator()(Cut const& step) const {
    cut(applied_step{piece.text}(step), piece, out);
  }
};

std::vector<text_piece> applied(pre_token_step const& step, std::vector<text_piece> pieces) {
  std::vector<text_piece> out;
  out.reserve(pieces.size());
  for (auto& piece : pieces) std::visit(step_on_piece{piece, out}, step);
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
  GPUPLACE_TRY(auto pattern, read_pattern(part, "pre_tokenizer 'Split'"));
  steps_.emplace_back(split_step{std::move(pattern), behavior, flag(part, "invert", false)});
  return {};
}

result<void> pre_tokenizer::add_cut(std::string_view pattern, delimiter behavior, bool invert) {
  GPUPLACE_TRY(auto compiled, regex::compile(pattern));
  steps_.emplace_back(split_step{std::move(compiled), behavior, invert});
  return {};
}

result<void> pre_tokenizer::add_byte_level(json const& part) {
  byte_level_ = true;
  if (flag(part, "add_prefix_space", true)) steps_.emplace_back(prefix_space_step{});
  return flag(part, "use_regex", true) ? add_cut(gpt2_pattern, delimiter::isolated, false) : result<void>();
}

result<void> pre_tokenizer::add_punctuation(json const& part) {
  auto const behavior = text_member(part, "behavior");
  GPUPLACE_TRY(auto const known, delimiter_named(behavior.empty() ? "Isolated" : behavior));
  return add_cut(R"([!-/:-@\[-`{-~\p{P}])", known, false);
}

result<void> pre_tokenizer::add_metaspace(json const& part) {
  GPUPLACE_TRY(auto settings, metaspace_settings::read(part, "pre_tokenizer"));
  steps_.emplace_back(std::move(settings));
  return {};
}

result<void> pre_tokenizer::add(json const& part) {
  auto const type = type_of(part);
  // Behind ByteLevel a text is in its alphabet, where patterns would see other characters.
  if (byte_level_) return error{errc::unsupported, "pre_tokenizer '" + type + "' behind 'ByteLevel' is not known"};
  if (type == "Split") return add_split(part);
  if (type == "ByteLevel") return add_byte_level(part);
  if (type == "Metaspace") return add_metaspace(part);
  if (type == "Punctuation") return add_punctuation(part);
  if (type == "Whitespace") return add_cut(R"([\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+)", delimiter::removed, true);
  if (type == "WhitespaceSplit") return add_cut(R"(\s)", delimiter::removed, false);
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
  return made;
}

std::vector<text_piece> pre_tokenizer::pieces(std::string text, bool first) const {
  std::vector<text_piece> now;
  if (!text.empty()) now.push_back({std::move(text), first});
  for (auto const& step : steps_) now = applied(step, std::move(now));
  return now;
}

}  // namespace gpuplace::text
