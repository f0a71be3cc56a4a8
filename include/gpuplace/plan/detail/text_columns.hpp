#pragma once
/// @file
/// Aligning UTF-8 text.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::detail {

/// Code points of `text`: bytes that do not continue one.
inline std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

inline std::string padded(std::string text, std::size_t width, bool to_the_right) {
  auto const now = text_width(text);
  if (now < width) text.insert(to_the_right ? 0 : text.size(), width - now, ' ');
  return text;
}

inline std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  while (times-- > 0) text += piece;
  return text;
}

/// Rows of equally many cells, two blanks between columns; the first and last columns are flush left, the others right.
/// A row of one cell is printed as it is.
inline std::string columns_text(std::vector<std::vector<std::string>> const& rows) {
  std::vector<std::size_t> widths;
  for (auto const& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t c = 0; row.size() > 1 && c < row.size(); ++c) widths[c] = std::max(widths[c], text_width(row[c]));
  }
  std::string text;
  for (auto const& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c)
      line += (c ? "  " : "") + padded(row[c], row.size() > 1 ? widths[c] : 0, c > 0 && c + 1 < row.size());
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace gpuplace::detail
