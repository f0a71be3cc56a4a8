#pragma once
/// @file
/// A cursor over a spec string that knows names, quoted values and balanced parentheses.

#include <gpuplace/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace gpuplace::detail {

constexpr bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// `text` on one line, for messages.
inline std::string printable(std::string_view text) {
  std::string shown(text);
  std::ranges::replace_if(shown, is_control, '?');
  return shown;
}

/// Characters in UTF-8 text: continuation bytes do not count.
inline std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// Reads a spec string from left to right. Never looks behind its end, whatever the text.
class spec_reader {
public:
  explicit spec_reader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (!at_end() && is_blank(text_[at_])) ++at_;
  }

  /// The name that begins here; empty if none does.
  std::string_view take_name() {
    auto const from = at_;
    if (!at_end() && is_name_start(text_[at_]))
      while (!at_end() && is_name_char(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }

  /// `key =` if that is what comes next; otherwise empty, and the reader stays where it was.
  std::string_view take_key() {
    auto const from = at_;
    auto const key = take_name();
    skip_blanks();
    if (!key.empty() && take('=')) return key;
    at_ = from;
    return {};
  }

  /// What stands between double quotes, where `\"` and `\\` stand for a quote and a backslash.
  result<std::string> take_quoted() {
    auto const opening = at_;
    std::string value;
    take('"');
    while (!at_end() && peek() != '"') {
      take('\\');
      if (!at_end()) value += text_[at_++];
    }
    if (!take('"')) return fail(opening, "this quote is never closed", "end the value with a '\"'");
    return value;
  }

  /// Text up to the comma or parenthesis that ends an argument; parentheses within it must balance.
  result<std::string_view> take_bare() {
    auto const from = at_;
    std::string open;
    for (; !at_end(); ++at_) {
      char const c = peek();
      if (is_control(c) && !is_blank(c)) return fail(at_, "a control character", "put the value in double quotes");
      if (c == '"' && !open.empty()) {
        GPUPLACE_CHECK(take_quoted());
        --at_;
      } else if (c == '(') {
        open += c;
      } else if (c == ')' && !open.empty()) {
        open.pop_back();
      } else if ((c == ',' || c == ')') && open.empty()) {
        break;
      }
    }
    if (!open.empty()) return fail(at_, "')' is missing", "close what '(' opened");
    auto value = text_.substr(from, at_ - from);
    while (!value.empty() && is_blank(value.back())) value.remove_suffix(1);
    return value;
  }

  /// An error at the place where the reader stands.
  error fail_here(std::string what, std::string remedy) const { return fail(at_, std::move(what), std::move(remedy)); }

private:
  error fail(std::size_t position, std::string what, std::string remedy) const {
    auto const before = characters(text_.substr(0, position));
    return {errc::invalid_argument, std::move(what) + "\n    " + printable(text_) + "\n    " + std::string(before, ' ') + '^',
            "spec '" + printable(text_) + "', character " + std::to_string(before + 1), std::move(remedy)};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace gpuplace::detail
