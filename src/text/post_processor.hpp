#pragma once
/// @file
/// Tokens that are put around every text.

#include "json_parts.hpp"

#include <gpuplace/core/token_id.hpp>

#include <vector>

namespace gpuplace::text {

/// What a tokenizer puts before and behind one text; both empty for most.
struct post_processor {
  std::vector<token_id> before;
  std::vector<token_id> behind;

  /// Errors:     errc::malformed; errc::unsupported for other kinds than ByteLevel, TemplateProcessing and sequences of them
  static result<post_processor> read(json const& part);
};

}  // namespace gpuplace::text
