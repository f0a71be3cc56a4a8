#pragma once
/// @file
/// From tokens to text.

#include "decoder_stages.hpp"
#include "json_parts.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

/// A chain of stages; each takes the tokens that the one before gives. Decoding at once and piece by piece is the same thing: a
/// `decoding` holds the state of one text.
class decoder {
public:
  /// Errors:     errc::unsupported for other kinds than ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip and sequences
  static result<decoder> read(json const& part);

  /// What sentencepiece does: `▁` is a space, but for one at the beginning where encoding put one there.
  static decoder of_sentencepiece(bool space_in_front);

  /// True where tokens are handed over as bytes, out of GPT-2's alphabet.
  bool takes_bytes() const { return !stages_.empty() && std::holds_alternative<byte_level_stage>(stages_.front()); }

private:
  friend class decoding;
  result<void> add(json const& part);
  result<void> add_replace(json const& part);
  result<void> add_strip(json const& part);
  result<void> add_metaspace(json const& part);

  std::vector<decoder_stage> stages_;
  bool fused_ = false;  // the stages so far give one token, in parts
};

/// The decoding of one text, token by token.
class decoding {
public:
  explicit decoding(decoder const& d) : stages_(d.stages_) {}

  /// Appends what is certain once `token` is there.
  void push(std::string_view token, std::string& out) { push_at(0, token, out); }

  /// Appends the rest.
  void finish(std::string& out);

private:
  void push_at(std::size_t stage, std::string_view token, std::string& out);
  std::vector<decoder_stage> stages_;
};

}  // namespace gpuplace::text
