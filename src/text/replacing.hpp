#pragma once
/// @file
/// Patterns as tokenizer.json writes them, and replacing what they find.

#include "json_parts.hpp"
#include "regex.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

/// `▁`, which sentencepiece writes for a space.
inline constexpr std::string_view space_piece = "\xE2\x96\x81";

/// A string as it stands, or a regular expression.
using text_pattern = std::variant<std::string, regex>;

/// {"String": …} or {"Regex": …}; `role` names the part in errors.
/// Errors:     errc::malformed where there is none; else as regex::compile
result<text_pattern> read_pattern(json const& part, std::string const& role);

/// All places where it is, left to right, without overlap.
std::vector<span_of_text> find_all(text_pattern const& pattern, std::string_view text);

std::string replaced(text_pattern const& pattern, std::string_view content, std::string_view text);

}  // namespace gpuplace::text
