#pragma once
/// @file
/// What is done to a text before it is cut.

#include "json_parts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// A sequence of Unicode normalisations; empty where the file asks for none.
class normalizer {
public:
  /// Errors:     errc::unsupported for other kinds than NFC, NFD, NFKC, NFKD and sequences of them
  static result<normalizer> read(json const& part);

  bool empty() const { return forms_.empty(); }
  std::string apply(std::string_view text) const;

private:
  enum class form { nfc, nfd, nfkc, nfkd };
  std::vector<form> forms_;
};

}  // namespace gpuplace::text
