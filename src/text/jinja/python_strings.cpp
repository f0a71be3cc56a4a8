#include "python_strings.hpp"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

namespace gpuplace::text::jinja {

namespace {

std::size_t sequence_length(std::string_view s) {
  auto const lead = static_cast<unsigned char>(s[0]);
  std::size_t const n = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
  if (n > s.size()) return 1;
  for (std::size_t i = 1; i < n; ++i)
    if ((static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) return 1;
  return n;
}

icu::UnicodeString from_utf8(std::string_view s) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<std::int32_t>(s.size())));
}

std::string utf8(icu::UnicodeString const& s) {
  std::string out;
  return s.toUTF8String(out);
}

}  // namespace

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> all;
  all.reserve(s.size());
  while (!s.empty()) {
    auto const n = sequence_length(s);
    all.push_back(s.substr(0, n));
    s.remove_prefix(n);
  }
  return all;
}

std::size_t count_characters(std::string_view s) {
  std::size_t count = 0;
  for (; !s.empty(); ++count) s.remove_prefix(sequence_length(s));
  return count;
}

int code_point(std::string_view c) {
  auto const byte = [&](std::size_t i) { return static_cast<int>(static_cast<unsigned char>(c[i])); };
  switch (c.size()) {
    case 1: return byte(0) < 0x80 ? byte(0) : -1;
    case 2: return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3: return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    case 4: return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    default: return -1;
  }
}

void append_utf8(std::string& out, unsigned code) {
  auto const put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

bool is_space(int c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_printable(int c) {
  if (c == ' ') return true;
  if (c < 0) return false;
  auto const hidden =
      U_GC_CN_MASK | U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK | U_GC_ZS_MASK | U_GC_ZL_MASK | U_GC_ZP_MASK;
  return !(U_GET_GC_MASK(c) & hidden);
}

std::string_view strip(std::string_view s, std::string_view const* set, bool left, bool right) {
  auto const wanted = set ? characters(*set) : std::vector<std::string_view>();
  auto const goes = [&](std::string_view c) {
    return set ? std::find(wanted.begin(), wanted.end(), c) != wanted.end() : is_space(code_point(c));
  };
  while (left && !s.empty() && goes(s.substr(0, sequence_length(s)))) s.remove_prefix(sequence_length(s));
  while (right && !s.empty()) {
    auto start = s.size() - 1;
    while (start > 0 && s.size() - start < 4 && (static_cast<unsigned char>(s[start]) & 0xc0) == 0x80) --start;
    auto const last = sequence_length(s.substr(start)) == s.size() - start ? s.substr(start) : s.substr(s.size() - 1);
    if (!goes(last)) break;
    s.remove_suffix(last.size());
  }
  return s;
}

std::string to_upper(std::string_view s) { return utf8(from_utf8(s).toUpper(icu::Locale::getRoot())); }
std::string to_lower(std::string_view s) { return utf8(from_utf8(s).toLower(icu::Locale::getRoot())); }

std::string capitalize(std::string_view s) {
  if (s.empty()) return {};
  auto const n = sequence_length(s);
  std::string first;
  auto const code = code_point(s.substr(0, n));
  if (code < 0) first = s.substr(0, n);
  else append_utf8(first, static_cast<unsigned>(u_totitle(code)));
  return first + to_lower(s.substr(n));
}

}  // namespace gpuplace::text::jinja
