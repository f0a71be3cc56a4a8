#pragma once
/// @file
/// From text to ids as a tokenizer.json says: normalise, cut, and let the model see each piece.

#include "added_tokens.hpp"
#include "bpe.hpp"
#include "normalizer.hpp"
#include "piece_cache.hpp"
#include "pre_tokenizer.hpp"
#include "unigram.hpp"

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

/// The parts of a tokenizer.json that turn text between added tokens into ids.
class pipeline {
public:
  /// Reads normalizer, pre_tokenizer and model; the model's tokens go to `tokens`.
  /// Errors:     errc::malformed; errc::unsupported names the part and its type
  static result<pipeline> read(tokenizer_file const& file, vocabulary& tokens);

  normalizer const& norm() const { return norm_; }

  /// Appends the ids of a stretch without raw added tokens. `first` says whether the text begins with it.
  void encode(std::string_view text, bool first, added_tokens const& added, std::vector<token_id>& out) const;

private:
  using any_model = std::variant<bpe, unigram>;
  pipeline(normalizer n, pre_tokenizer c, any_model m)
      : norm_(std::move(n)), cut_(std::move(c)), model_(std::move(m)), cache_(std::make_unique<piece_cache>()) {}
  static result<any_model> read_model(tokenizer_file const& file, vocabulary const& tokens, bool byte_level);
  void encode_piece(std::string_view piece, std::vector<token_id>& out) const;

  normalizer norm_;
  pre_tokenizer cut_;
  any_model model_;
  std::unique_ptr<piece_cache> cache_;
};

}  // namespace gpuplace::text
