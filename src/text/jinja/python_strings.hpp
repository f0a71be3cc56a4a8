#pragma once
// Python strings are sequences of code points; these are the parts of str that see them. Bytes that are no UTF-8 count as one each.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text::jinja {

// The code points of `s`, each as its own bytes.
std::vector<std::string_view> characters(std::string_view s);
std::size_t count_characters(std::string_view s);
// The code point that the bytes of one character spell; -1 where they spell none.
int code_point(std::string_view character);
void append_utf8(std::string& out, unsigned code);

// str.strip and its sides: whitespace where `set` is null, else any character of the set.
std::string_view strip(std::string_view s, std::string_view const* set, bool left, bool right);
bool is_space(int code);
bool is_printable(int code);

std::string to_upper(std::string_view s);
std::string to_lower(std::string_view s);
// The first character as a title's, the others lower.
std::string capitalize(std::string_view s);

}  // namespace gpuplace::text::jinja
