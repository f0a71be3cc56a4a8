#include "unicode.hpp"

#include <gpuplace/core/result.hpp>

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>

namespace gpuplace::text::unicode {

namespace {
UChar32 signed_of(char32_t c) { return static_cast<UChar32>(c); }

bool is_in(char32_t c, std::uint32_t categories) { return (U_MASK(u_charType(signed_of(c))) & categories) != 0; }

/// Bytes of the character or of the ill-formed part that begins at `at`.
struct step {
  std::size_t length;
  bool valid;
};
step step_at(std::string_view text, std::size_t at) {
  auto const* data = reinterpret_cast<std::uint8_t const*>(text.data()) + at;
  auto const left = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - at, 4));
  std::int32_t length = 0;
  UChar32 c = 0;
  U8_NEXT(data, length, left, c);
  return {static_cast<std::size_t>(length), c >= 0};
}
}  // namespace

std::size_t valid_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    auto const s = step_at(text, at);
    if (!s.valid) break;
    at += s.length;
  }
  return at;
}

bool is_incomplete_character(std::string_view text) {
  if (text.empty()) return true;
  if (text.size() > 3) return false;
  auto const lead = static_cast<unsigned char>(text[0]);
  auto const wanted = lead >= 0xF0 ? 4u : lead >= 0xE0 ? 3u : 2u;
  auto const s = step_at(text, 0);
  return !s.valid && lead >= 0xC2 && lead <= 0xF4 && text.size() < wanted && s.length == text.size();
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    auto const good = valid_prefix(text);
    out.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) return out;
    text.remove_prefix(step_at(text, 0).length);
    out += replacement;
  }
}

char32_t next(std::string_view text, std::size_t& at) {
  auto const* data = reinterpret_cast<std::uint8_t const*>(text.data());
  UChar32 c = 0;
  U8_NEXT_UNSAFE(data, at, c);
  return static_cast<char32_t>(c);
}

char32_t previous(std::string_view text, std::size_t& at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  auto again = at;
  return next(text, again);
}

void append(std::string& out, char32_t code_point) { icu::UnicodeString(signed_of(code_point)).toUTF8String(out); }

std::string lowercase(std::string_view text) {
  constexpr char32_t capital_i_with_dot = 0x130;  // the only one that becomes two characters
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto const c = next(text, at);
    if (c == capital_i_with_dot) out += "i\xCC\x87";
    else append(out, static_cast<char32_t>(u_tolower(signed_of(c))));
  }
  return out;
}

std::vector<std::size_t> cluster_ends(std::string_view text) {
  auto status = U_ZERO_ERROR;
  UText* const source = utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
  UBreakIterator* const breaks = ubrk_open(UBRK_CHARACTER, "", nullptr, 0, &status);
  std::vector<std::size_t> ends;
  if (U_SUCCESS(status)) ubrk_setUText(breaks, source, &status);
  if (U_SUCCESS(status)) {
    ubrk_first(breaks);
    for (auto end = ubrk_next(breaks); end != UBRK_DONE; end = ubrk_next(breaks)) ends.push_back(static_cast<std::size_t>(end));
  }
  ubrk_close(breaks);
  utext_close(source);
  if (U_FAILURE(status)) throw failure(error{errc::invalid_argument, std::string("ICU: ") + u_errorName(status), "normalizer"});
  return ends;
}

bool is_number(char32_t c) { return is_in(c, U_GC_N_MASK); }
bool is_white_space(char32_t c) { return u_isUWhiteSpace(signed_of(c)) != 0; }
bool is_nonspacing_mark(char32_t c) { return is_in(c, U_GC_MN_MASK); }
bool is_word(char32_t c) {
  return u_isUAlphabetic(signed_of(c)) != 0 || is_in(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         u_hasBinaryProperty(signed_of(c), UCHAR_JOIN_CONTROL) != 0;
}

}  // namespace gpuplace::text::unicode
