#pragma once
/// @file
/// GPT-2's alphabet: every byte as one printable character, so that vocabularies are text.

#include <optional>
#include <string>
#include <string_view>

namespace gpuplace::text::byte_level {

/// The bytes that `spelling` stands for; nothing where it holds a character outside the alphabet.
std::optional<std::string> bytes_of(std::string_view spelling);

/// `bytes` in the alphabet.
std::string spelling_of(std::string_view bytes);

}  // namespace gpuplace::text::byte_level
