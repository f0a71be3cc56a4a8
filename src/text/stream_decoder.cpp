#include <gpuplace/text/stream_decoder.hpp>

#include "unicode.hpp"

namespace gpuplace::text {

std::string stream_decoder::push(token_id id) {
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  auto whole = pending_.size();
  for (std::size_t tail = 1; tail <= 3 && tail <= pending_.size(); ++tail)
    if (unicode::is_incomplete_character(std::string_view(pending_).substr(pending_.size() - tail))) whole = pending_.size() - tail;
  auto text = unicode::replace_invalid(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return text;
}

std::string stream_decoder::finish() {
  auto text = unicode::replace_invalid(pending_);
  pending_.clear();
  return text;
}

}  // namespace gpuplace::text
