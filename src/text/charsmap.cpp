#include "charsmap.hpp"

#include "growth.hpp"
#include "unicode.hpp"

#include <array>

namespace gpuplace::text {

namespace {
constexpr auto value_of_letter = [] {
  std::array<int, 256> table{};
  for (auto& v : table) v = -1;
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < letters.size(); ++i) table[static_cast<unsigned char>(letters[i])] = static_cast<int>(i);
  return table;
}();

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (auto const c : text) {
    auto const value = value_of_letter[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

/// One unit of the double array, as the darts-clone library packs it.
struct unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  std::uint32_t value() const { return bits & 0x7FFF'FFFF; }
  std::uint32_t label() const { return bits & 0x8000'00FF; }
  std::size_t offset() const { return std::size_t{bits >> 10} << ((bits & 0x200) >> 6); }
};
}  // namespace

result<charsmap> charsmap::read(std::string_view base64) {
  charsmap made;
  if (base64.empty()) return made;
  auto const bytes = from_base64(base64);
  if (!bytes || bytes->size() < 4 || little_endian(*bytes, 0) > bytes->size() - 4 || little_endian(*bytes, 0) % 4 != 0)
    return error{errc::malformed, "normalizer 'Precompiled': the precompiled_charsmap is damaged"};
  auto const trie_size = little_endian(*bytes, 0);
  for (std::size_t at = 4; at < 4 + std::size_t{trie_size}; at += 4) made.units_.push_back(little_endian(*bytes, at));
  made.texts_ = bytes->substr(4 + trie_size);
  if (unicode::valid_prefix(made.texts_) != made.texts_.size())
    return error{errc::malformed, "normalizer 'Precompiled': the precompiled_charsmap holds text that is not UTF-8"};
  return made;
}

std::optional<std::string_view> charsmap::found(std::string_view part) const {
  if (units_.empty()) return std::nullopt;
  std::size_t node = unit{units_[0]}.offset();
  for (auto const letter : part) {
    auto const c = static_cast<unsigned char>(letter);
    node ^= c;
    if (c == 0 || node >= units_.size()) return std::nullopt;
    unit const here{units_[node]};
    if (here.label() != c) return std::nullopt;
    node ^= here.offset();
    if (!here.has_leaf()) continue;
    if (node >= units_.size()) return std::nullopt;
    auto const begin = std::size_t{unit{units_[node]}.value()};
    if (begin > texts_.size()) return std::nullopt;
    auto text = std::string_view(texts_).substr(begin);
    text = text.substr(0, text.find('\0'));
    return unicode::valid_prefix(text) == text.size() ? std::optional(text) : std::nullopt;
  }
  return std::nullopt;
}

std::string charsmap::apply(std::string_view text) const {
  constexpr std::size_t longest_cluster = 5;
  std::string out;
  std::size_t at = 0;
  for (auto const end : unicode::cluster_ends(text)) {
    auto const cluster = text.substr(at, end - at);
    at = end;
    limit_growth(text.size(), out.size());
    if (auto const whole = cluster.size() <= longest_cluster ? found(cluster) : std::nullopt) {
      out += *whole;
      continue;
    }
    for (std::size_t c = 0; c < cluster.size();) {
      auto const begin = c;
      unicode::next(cluster, c);
      out += found(cluster.substr(begin, c - begin)).value_or(cluster.substr(begin, c - begin));
    }
  }
  return out;
}

}  // namespace gpuplace::text
