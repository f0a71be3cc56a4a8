#pragma once
/// @file
/// Foreign text in a page: nothing of it is markup, all of it is UTF-8.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuplace::detail {

/// The length of the UTF-8 character at the front of `text`; 0 where there is none.
inline std::size_t utf8_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  auto const first = byte(0);
  std::size_t const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length < 2 || text.size() < length) return length < 2 ? length : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  auto const second = byte(1);
  bool const wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
                     (first == 0xf4 && second >= 0x90);
  return wrong ? 0 : length;
}

/// `text` for the inside of an element or of a quoted attribute; what is no character becomes U+FFFD.
/// @param most  characters; of longer texts the front and an ellipsis
inline std::string page_text(std::string_view text, std::size_t most = static_cast<std::size_t>(-1)) {
  std::string safe;
  for (std::size_t shown = 0; !text.empty(); ++shown) {
    if (shown + 1 >= most && utf8_length(text) != text.size()) return safe + "…";
    auto const length = utf8_length(text);
    auto const c = text.front();
    bool const control = length == 1 && (static_cast<unsigned char>(c) < ' ' || c == '\x7f') && c != '\n' && c != '\t';
    if (length == 0 || control) safe += "\xef\xbf\xbd";
    else if (c == '&') safe += "&amp;";
    else if (c == '<') safe += "&lt;";
    else if (c == '>') safe += "&gt;";
    else if (c == '"') safe += "&quot;";
    else if (c == '\'') safe += "&#39;";
    else safe += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return safe;
}

}  // namespace gpuplace::detail
