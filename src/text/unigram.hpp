#pragma once
/// @file
/// The most probable way to cut a text into tokens.

#include "tokenizer_file.hpp"
#include "vocabulary.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// Every token has a score, its log probability; the cut with the greatest sum wins. A character that no token covers costs ten
/// more than the worst token; a run of them is one unknown token, or bytes.
/// Source:     Kudo, Subword Regularization, 2018; the library's optimised Viterbi search
class unigram {
public:
  /// Errors:     errc::malformed; errc::unsupported where no token is named for what is unknown
  static result<unigram> read(tokenizer_file const& file, vocabulary const& tokens);

  /// Appends the ids of one piece (valid UTF-8).
  /// Complexity: O(n) in its bytes, times the longest token
  void encode(std::string_view piece, std::vector<token_id>& out) const;

private:
  struct arrival {
    double score = 0;
    std::size_t begin = 0;
    token_id id = -1;
    bool reached = false;
  };
  struct leaf {
    token_id id = -1;
    double score = 0;
  };

  void add(std::string_view spelling, token_id id, double score);
  void reach_from(std::string_view piece, std::size_t begin, std::vector<arrival>& best) const;
  void append_unknown(std::string_view part, std::vector<token_id>& out) const;

  static std::uint64_t edge(std::size_t node, char c) { return std::uint64_t{node} << 8 | static_cast<unsigned char>(c); }

  // A trie: one node a row, the edges in one table.
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> edges_;
  std::vector<leaf> nodes_ = std::vector<leaf>(1);
  token_id unknown_ = 0;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  std::array<std::optional<token_id>, 256> bytes_{};
};

}  // namespace gpuplace::text
