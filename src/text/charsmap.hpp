#pragma once
/// @file
/// The table of replacements that sentencepiece models carry.

#include <gpuplace/core/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// A "Precompiled" normalizer: characters, and clusters of few bytes, looked up in a double-array trie.
/// Source:     the file format of sentencepiece's normalizer; Hugging Face's reading of it (the shortest match wins)
class charsmap {
public:
  /// @param base64   "precompiled_charsmap" of a tokenizer.json; an empty one changes nothing
  /// Errors:     errc::malformed
  static result<charsmap> read(std::string_view base64);

  std::string apply(std::string_view text) const;

private:
  /// What the beginning of `part` becomes; nothing where the table lacks it.
  std::optional<std::string_view> found(std::string_view part) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;  // each ends with a zero
};

}  // namespace gpuplace::text
