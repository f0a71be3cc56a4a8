#pragma once
/// @file
/// Maps as Python programs write them, `{0: "70GiB", 'lm_head': 1}`, read beside JSON.

#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/detail/json_text.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace gpuplace {

namespace detail {

/// The end of the string that begins with the quote at `from`: the position of its closing quote, or the text's end.
constexpr std::size_t end_of_string(std::string_view text, std::size_t from) {
  char const quote = text[from];
  for (std::size_t i = from + 1; i < text.size(); ++i) {
    if (text[i] == '\\') ++i;
    else if (text[i] == quote) return i;
  }
  return text.size();
}

/// Python's string between single quotes as JSON writes it.
inline std::string requoted(std::string_view body) {
  std::string out = "\"";
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '"') out += "\\\"";
    else if (body[i] == '\\' && i + 1 < body.size() && body[i + 1] == '\'') out += body[++i];
    else if (body[i] == '\\' && i + 1 < body.size()) (out += body[i]) += body[i + 1], ++i;
    else out += body[i];
  }
  return out + '"';
}

}  // namespace detail

/// `text` with Python's single quotes as double ones and its bare whole numbers before a colon in quotes; JSON stays as it is.
/// Complexity: O(length)
inline std::string json_of_python(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '"' || text[i] == '\'') {
      auto const end = detail::end_of_string(text, i);
      auto const whole = text.substr(i, end - i + 1);
      out += text[i] == '"' || end == text.size() ? std::string(whole) : detail::requoted(whole.substr(1, whole.size() - 2));
      i = end + 1;
      continue;
    }
    auto const digits = text.find_first_not_of("0123456789", i);
    auto const after = digits == text.npos ? digits : text.find_first_not_of(" \t\r\n", digits);
    auto const before = out.find_last_not_of(" \t\r\n");
    bool const begins = before != out.npos && (out[before] == '{' || out[before] == ',');
    if (digits != i && begins && after != text.npos && text[after] == ':') {
      out += '"' + std::string(text.substr(i, digits - i)) + '"';
      i = digits;
      continue;
    }
    out += text[i++];
  }
  return out;
}

/// Reads JSON, or what Python prints of maps, lists, strings and whole numbers. Keys keep their order.
/// Errors:     errc::malformed with `origin` and the line; for a key that an object has twice, and for endless nesting
inline result<nlohmann::ordered_json> parse_json_or_python(std::string_view text, std::string const& origin) {
  return detail::parse_strict_json<nlohmann::ordered_json>(json_of_python(text), origin);
}

}  // namespace gpuplace
