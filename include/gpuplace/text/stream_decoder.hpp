#pragma once
/// @file
/// Text of tokens as they come.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <string>
#include <utility>

namespace gpuplace::text {

/// Turns tokens that come one by one into pieces of valid UTF-8; the pieces and `finish()` together are what
/// `tokenizer::decode` gives for all of them. A character that is spread over tokens comes with its last one.
/// Threads: one thread at a time
class stream_decoder {
public:
  explicit stream_decoder(tokenizer t, bool skip_special_tokens = true)
      : tokenizer_(std::move(t)), skip_special_tokens_(skip_special_tokens) {}

  /// The text that `id` completes; often empty.
  std::string push(token_id id);

  /// What is left of a character that never became whole, as U+FFFD; the decoder is then as new.
  std::string finish();

private:
  tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::string pending_;  // at most three bytes: the beginning of a character
};

}  // namespace gpuplace::text
