#pragma once
/// @file
/// Tokens that are found in a text before anything else is done to it.

#include "json_parts.hpp"
#include "normalizer.hpp"
#include "vocabulary.hpp"

#include <array>
#include <functional>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace gpuplace::text {

/// One entry of "added_tokens".
struct added_token {
  token_id id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character is beside it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space behind it
  bool normalized = false;   ///< looked for in the normalised text
  bool special = false;
};

/// Finds the longest of many strings at the leftmost place (a trie, walked from every place where one can begin).
class token_finder {
public:
  void add(std::string_view content, std::size_t index);
  struct match {
    std::size_t begin;
    std::size_t end;
    std::size_t index;
  };
  /// The next match at or behind `from`; `index` npos where there is none.
  match find(std::string_view text, std::size_t from) const;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

private:
  struct node {
    std::vector<std::pair<unsigned char, std::size_t>> children;
    std::size_t index = npos;
  };
  std::size_t child(std::size_t at, unsigned char c) const;
  std::vector<node> nodes_{1};
  std::array<bool, 256> begins_{};
};

/// All added tokens of a tokenizer.
class added_tokens {
public:
  /// Reads "added_tokens" and enters them in `tokens`.
  /// Errors:     errc::malformed
  static result<added_tokens> read(json const& list, normalizer const& norm, vocabulary& tokens);

  using on_text = std::function<void(std::string_view)>;
  using on_token = std::function<void(token_id)>;
  /// Hands the tokens found in `text`, and the stretches between them, to the two functions in order: `normalized` chooses
  /// between the tokens that are looked for before and after normalisation.
  void split(std::string_view text, bool normalized, on_text const& text_part, on_token const& token_part) const;

  bool is_special(token_id id) const { return special_.contains(id); }

private:
  std::vector<added_token> tokens_;
  token_finder raw_;
  token_finder normalized_;
  std::unordered_set<token_id> special_;
};

}  // namespace gpuplace::text
