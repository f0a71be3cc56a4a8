#pragma once
/// @file
/// From tokens to text. ByteLevel needs no state: the vocabulary holds the bytes, and UTF-8 is repaired at the end.

#include "json_parts.hpp"

namespace gpuplace::text {

/// Errors:     errc::unsupported for other decoders than ByteLevel
inline result<void> check_decoder(json const& part) {
  if (type_of(part) == "ByteLevel") return {};
  if (part.is_null()) return error{errc::unsupported, "a tokenizer without a decoder is not known"};
  return unknown_part("decoder", part);
}

}  // namespace gpuplace::text
