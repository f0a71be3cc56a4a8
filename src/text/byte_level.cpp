#include "byte_level.hpp"

#include "unicode.hpp"

#include <array>
#include <cstdint>

namespace gpuplace::text::byte_level {

namespace {
constexpr bool stands_for_itself(unsigned b) {
  return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

/// Printable bytes of Latin-1 are themselves; the others follow from U+0100 in order.
constexpr auto code_point_of = [] {
  std::array<char32_t, 256> table{};
  char32_t free = 0x100;
  for (unsigned b = 0; b < 256; ++b) table[b] = stands_for_itself(b) ? b : free++;
  return table;
}();

constexpr auto byte_of = [] {
  std::array<std::int16_t, 0x144> table{};
  for (auto& b : table) b = -1;
  for (unsigned b = 0; b < 256; ++b) table[code_point_of[b]] = static_cast<std::int16_t>(b);
  return table;
}();
}  // namespace

std::optional<std::string> bytes_of(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  for (std::size_t at = 0; at < spelling.size();) {
    auto const c = unicode::next(spelling, at);
    if (c >= byte_of.size() || byte_of[c] < 0) return std::nullopt;
    out += static_cast<char>(byte_of[c]);
  }
  return out;
}

std::string spelling_of(std::string_view bytes) {
  std::string out;
  for (auto const b : bytes) unicode::append(out, code_point_of[static_cast<unsigned char>(b)]);
  return out;
}

}  // namespace gpuplace::text::byte_level
