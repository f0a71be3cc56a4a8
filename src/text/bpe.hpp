#pragma once
/// @file
/// Byte-pair encoding of one piece of text.

#include "json_parts.hpp"
#include "vocabulary.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// A piece's bytes or characters, merged pair by pair in the order of the merge list.
class bpe {
public:
  /// Reads the "model" of a tokenizer.json, whose tokens are in `tokens`.
  /// @param byte_level   whether pieces are merged from bytes, spelled in GPT-2's alphabet, or from characters
  /// Errors:     errc::malformed; errc::unsupported for dropout and affixes
  static result<bpe> read(json const& part, vocabulary const& tokens, bool byte_level);

  /// Appends the ids of one piece (valid UTF-8).
  /// Complexity: O(n log n) in its bytes
  void encode(std::string_view piece, std::vector<token_id>& out) const;

private:
  struct merge {
    std::uint32_t rank;
    token_id joined;
  };
  struct symbol {
    token_id id;
    std::int32_t previous;
    std::int32_t next;
    bool alive;
  };

  result<void> read_merges(json const& list, vocabulary const& tokens);
  void keep_whole_tokens(vocabulary const& tokens);
  static void append(std::vector<symbol>& symbols, token_id id);
  static std::vector<symbol> closed(std::vector<symbol> symbols);
  std::vector<symbol> bytes_of(std::string_view piece) const;
  std::vector<symbol> characters_of(std::string_view piece) const;
  void merge_all(std::vector<symbol>& symbols) const;
  merge const* merge_at(std::vector<symbol> const& symbols, std::int32_t left) const;

  static std::uint64_t pair_of(token_id left, token_id right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }

  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  boost::unordered_flat_map<std::uint64_t, merge> merges_;
  // Pieces that are tokens as they are; filled for ignore_merges alone.
  boost::unordered_flat_map<std::string, token_id, hash, std::equal_to<>> whole_;
  std::array<std::optional<token_id>, 256> bytes_{};          // a byte on its own, or its <0x..> token where byte_level_ is not
  boost::unordered_flat_map<char32_t, token_id> characters_;  // empty where byte_level_
  bool byte_level_ = true;
  bool byte_fallback_ = false;
  std::optional<token_id> unknown_;
  bool fuse_unknown_ = false;
};

}  // namespace gpuplace::text
