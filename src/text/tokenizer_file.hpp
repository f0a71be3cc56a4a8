#pragma once
/// @file
/// The text of a tokenizer.json, taken apart.

#include "json_parts.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::text {

/// The parts of a tokenizer.json. The vocabulary, most of the file, is a list: building a tree of it takes longer than reading it.
struct tokenizer_file {
  json parts;  ///< all but the entries of model.vocab
  std::vector<std::pair<std::string, std::int64_t>> tokens;
  std::vector<double> scores;  ///< of the tokens, in their order, where the vocabulary is a list of pairs (Unigram)

  /// Errors:     errc::malformed, also for parts nested deeper than any tokenizer's
  static result<tokenizer_file> parse(std::string_view text);

  json part(char const* name) const { return parts.contains(name) ? parts[name] : json(); }
};

}  // namespace gpuplace::text
