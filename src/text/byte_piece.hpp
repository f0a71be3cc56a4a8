#pragma once
/// @file
/// Tokens that stand for one byte: `<0x0A>`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplace::text {

/// The byte that `token` stands for; nothing for all other tokens.
inline std::optional<unsigned char> byte_of_piece(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (auto const c : token.substr(3, 2)) {
    auto const digit = c >= '0' && c <= '9'   ? c - '0'
                       : c >= 'A' && c <= 'F' ? c - 'A' + 10
                       : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                              : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(digit);
  }
  return static_cast<unsigned char>(value);
}

inline std::string piece_of_byte(unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

}  // namespace gpuplace::text
