#pragma once
/// @file
/// Byte-pair encoding of one piece of text.

#include "tokenizer_file.hpp"
#include "vocabulary.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// Byte-level BPE: a piece's bytes, merged pair by pair in the order of the merge list.
class bpe {
public:
  /// Reads the "model" of a tokenizer.json; its tokens go to `tokens`.
  /// Errors:     errc::malformed; errc::unsupported for other models and for byte fallback, dropout and affixes
  static result<bpe> read(tokenizer_file const& file, vocabulary& tokens);

  /// Appends the ids of one piece.
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
  std::vector<symbol> symbols_of(std::string_view piece) const;
  void merge_all(std::vector<symbol>& symbols) const;
  merge const* merge_at(std::vector<symbol> const& symbols, std::int32_t left) const;

  static std::uint64_t pair_of(token_id left, token_id right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }

  boost::unordered_flat_map<std::uint64_t, merge> merges_;
  boost::unordered_flat_map<std::string, token_id> whole_;  // pieces that are tokens as they are; filled for ignore_merges alone
  std::array<std::optional<token_id>, 256> bytes_{};
  std::optional<token_id> unknown_;
  bool fuse_unknown_ = false;
};

}  // namespace gpuplace::text
