#pragma once
/// @file
/// UTF-8 and the character classes that tokenizers ask for.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text::unicode {

/// What stands for bytes that are no character: U+FFFD.
inline constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// How many leading bytes of `bytes` are well-formed UTF-8, whole characters only.
std::size_t valid_prefix(std::string_view bytes);

/// True where `bytes` could become a character with more bytes; an empty string could.
bool is_incomplete_character(std::string_view bytes);

/// Every maximal ill-formed part replaced by U+FFFD, as Python's errors='replace' and WHATWG do.
std::string replace_invalid(std::string_view bytes);

/// The code point that begins at `at`, which moves behind it. `text` is valid UTF-8.
char32_t next(std::string_view text, std::size_t& at);

/// The code point that ends before `at`, which moves to its first byte. `text` is valid UTF-8.
char32_t previous(std::string_view text, std::size_t& at);

void append(std::string& out, char32_t code_point);

/// Every character by itself in lower case, without regard to its neighbours.
std::string lowercase(std::string_view text);

/// Where the user-perceived characters of `text` (valid UTF-8) end.
std::vector<std::size_t> cluster_ends(std::string_view text);

bool is_number(char32_t c);           ///< general categories Nd, Nl, No
bool is_white_space(char32_t c);      ///< the property White_Space
bool is_nonspacing_mark(char32_t c);  ///< general category Mn
bool is_word(char32_t c);             ///< \w of Unicode's regular expressions

}  // namespace gpuplace::text::unicode
