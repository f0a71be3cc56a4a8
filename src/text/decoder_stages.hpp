#pragma once
/// @file
/// The steps from tokens to text, each with its state. A stage hands tokens on by calling `next`; "fused" ones see a single
/// token that comes in parts.

#include "byte_level.hpp"
#include "byte_piece.hpp"
#include "replacing.hpp"
#include "unicode.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace gpuplace::text {

/// Bytes to characters; half a character waits for its rest, and what is none becomes U+FFFD.
struct byte_level_stage {
  bool from_spelling = false;  ///< tokens come in GPT-2's alphabet
  std::string pending{};

  template <class Next>
  void push(std::string_view token, Next&& next) {
    auto const bytes = from_spelling ? byte_level::bytes_of(token) : std::nullopt;
    pending += bytes ? std::string_view(*bytes) : token;
    auto whole = pending.size();
    for (std::size_t tail = 1; tail <= 3 && tail <= pending.size(); ++tail)
      if (unicode::is_incomplete_character(std::string_view(pending).substr(pending.size() - tail))) whole = pending.size() - tail;
    if (whole == 0) return;
    next(unicode::replace_invalid(std::string_view(pending).substr(0, whole)));
    pending.erase(0, whole);
  }
  template <class Next>
  void finish(Next&& next) {
    if (!pending.empty()) next(unicode::replace_invalid(pending));
    pending.clear();
  }
};

/// A run of byte tokens becomes its characters, or a U+FFFD for each of its bytes where it is not UTF-8 as a whole.
struct byte_fallback_stage {
  std::string bytes{};

  template <class Next>
  void push(std::string_view token, Next&& next) {
    if (auto const byte = byte_of_piece(token)) {
      bytes += static_cast<char>(*byte);
      return;
    }
    finish(next);
    next(token);
  }
  template <class Next>
  void finish(Next&& next) {
    if (bytes.empty()) return;
    if (unicode::valid_prefix(bytes) == bytes.size()) next(std::string_view(bytes));
    else
      for (std::size_t i = 0; i < bytes.size(); ++i) next(std::string_view(unicode::replacement));
    bytes.clear();
  }
};

/// The same as sentencepiece has it: every byte that belongs to no character becomes U+FFFD on its own.
struct byte_repair_stage {
  std::string bytes{};

  template <class Next>
  void push(std::string_view token, Next&& next) {
    auto const byte = byte_of_piece(token);
    if (byte) bytes += static_cast<char>(*byte);
    repair(!byte, next);
    if (!byte) next(token);
  }
  template <class Next>
  void finish(Next&& next) {
    repair(true, next);
  }

private:
  template <class Next>
  void repair(bool all, Next& next) {
    while (!bytes.empty()) {
      auto const good = unicode::valid_prefix(bytes);
      if (good > 0) next(std::string_view(bytes).substr(0, good));
      bytes.erase(0, good);
      if (bytes.empty() || (!all && unicode::is_incomplete_character(bytes))) return;
      next(std::string_view(unicode::replacement));
      bytes.erase(0, 1);
    }
  }
};

/// Replaces a string, or what a regular expression finds.
struct replace_stage {
  text_pattern pattern;
  std::string content;
  bool fused = false;
  std::string held{};  ///< the end of a fused text, where the pattern may have begun

  template <class Next>
  void push(std::string_view token, Next&& next) {
    if (!fused) return next(replaced(pattern, content, token));
    held += token;
    auto const& needle = std::get<std::string>(pattern);
    std::size_t done = 0;
    std::string out;
    for (auto at = held.find(needle); at != held.npos; at = held.find(needle, done)) {
      out.append(held, done, at - done).append(content);
      done = at + needle.size();
    }
    auto keep = std::min(needle.size() - 1, held.size() - done);
    while (keep > 0 && !needle.starts_with(std::string_view(held).substr(held.size() - keep))) --keep;
    out.append(held, done, held.size() - keep - done);
    held.erase(0, held.size() - keep);
    if (!out.empty()) next(out);
  }
  template <class Next>
  void finish(Next&& next) {
    if (!held.empty()) next(held);
    held.clear();
  }
};

/// Takes up to `start` of a character from the front and up to `stop` from the end.
struct strip_stage {
  std::string content;  ///< one character
  std::size_t start = 0;
  std::size_t stop = 0;
  bool fused = false;
  std::size_t left = start;  ///< of `start`, while a fused text begins
  std::size_t held = 0;      ///< of `stop`, at the end of what a fused text has so far

  template <class Next>
  void push(std::string_view token, Next&& next) {
    if (!fused) left = start;
    for (; left > 0 && token.starts_with(content); --left) token.remove_prefix(content.size());
    if (!token.empty()) left = 0;
    std::string text;
    for (; held > 0; --held) text += content;
    text += token;
    while (held < stop && std::string_view(text).ends_with(content)) {
      text.resize(text.size() - content.size());
      ++held;
    }
    if (!fused) held = 0;
    if (!fused || !text.empty()) next(text);
  }
  template <class Next>
  void finish(Next&&) {
    held = 0;
  }
};

/// A replacement character such as `▁` becomes a space; in the first token it is left out.
struct metaspace_stage {
  std::string replacement;
  bool drop_first = true;  ///< all of them in the first token
  bool fused = false;
  bool first = true;

  template <class Next>
  void push(std::string_view token, Next&& next) {
    next(replaced(replacement, first && drop_first ? "" : " ", token));
    first = first && fused;
  }
  template <class Next>
  void finish(Next&&) {}
};

/// The same as sentencepiece has it: one at the very beginning is left out.
struct space_piece_stage {
  bool drop_first = true;

  template <class Next>
  void push(std::string_view token, Next&& next) {
    if (token.empty()) return;
    if (drop_first && token.starts_with(space_piece)) token.remove_prefix(space_piece.size());
    drop_first = false;
    if (!token.empty()) next(replaced(std::string(space_piece), " ", token));
  }
  template <class Next>
  void finish(Next&&) {}
};

/// A space between tokens: what a file without a decoder asks for.
struct join_stage {
  bool first = true;

  template <class Next>
  void push(std::string_view token, Next&& next) {
    if (!std::exchange(first, false)) next(std::string_view(" "));
    next(token);
  }
  template <class Next>
  void finish(Next&&) {}
};

using decoder_stage = std::variant<byte_level_stage, byte_fallback_stage, byte_repair_stage, replace_stage, strip_stage,
                                   metaspace_stage, space_piece_stage, join_stage>;

}  // namespace gpuplace::text
