#pragma once
/// @file
/// The text of an answer as its tokens come, up to its stop string.

#include <gpuplace/core/token_id.hpp>
#include <gpuplace/text/stop_strings.hpp>
#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::text {

/// Decodes tokens and cuts the text at the first stop string. The pieces and finish() together are the answer, however the
/// tokens are cut into pieces.
/// Threads:    one thread at a time
class answer_text {
public:
  /// @param include_stop  whether the answer keeps the stop string at its end
  explicit answer_text(tokenizer t, std::vector<std::string> stop = {}, bool include_stop = false)
      : decoder_(std::move(t)), stop_(std::move(stop), include_stop) {}

  /// The text that is sure to belong to the answer now; often empty.
  std::string push(std::span<token_id const> tokens) {
    std::string told;
    for (auto const token : tokens) {
      if (stop_.stopped()) break;
      told += stop_.push(decoder_.push(token));
    }
    return told;
  }

  /// The rest, once no more tokens come.
  std::string finish() {
    if (stop_.stopped()) return {};
    auto told = stop_.push(decoder_.finish());
    if (!stop_.stopped()) told += stop_.finish();
    return told;
  }

  bool stopped() const { return stop_.stopped(); }

private:
  stream_decoder decoder_;
  stop_strings stop_;
};

}  // namespace gpuplace::text
