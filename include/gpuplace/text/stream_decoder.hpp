#pragma once
/// @file
/// Text of tokens as they come.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <memory>
#include <string>

namespace gpuplace::text {

/// Turns tokens that come one by one into pieces of valid UTF-8; the pieces and `finish()` together are what
/// `tokenizer::decode` gives for all of them. A character that is spread over tokens comes with its last one, or, where a
/// vocabulary falls back to bytes, with the first token behind the run of byte tokens: until then the run may be no text at all.
/// Threads: one thread at a time
class stream_decoder {
public:
  explicit stream_decoder(tokenizer t, bool skip_special_tokens = true);
  stream_decoder(stream_decoder const& other);
  stream_decoder& operator=(stream_decoder const& other);
  stream_decoder(stream_decoder&&) noexcept;
  stream_decoder& operator=(stream_decoder&&) noexcept;
  ~stream_decoder();

  /// The text that `id` completes; often empty.
  std::string push(token_id id);

  /// The same, appended to `text`.
  void append(token_id id, std::string& text);

  /// What still waits, such as a character that never became whole, as U+FFFD; the decoder is then as new.
  std::string finish();

private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace gpuplace::text
