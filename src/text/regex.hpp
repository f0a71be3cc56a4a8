#pragma once
/// @file
/// Regular expressions with the meaning that Hugging Face gives them (Oniguruma's Ruby syntax over UTF-8).

#include <gpuplace/core/result.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// A stretch of a text: bytes [begin, end).
struct span_of_text {
  std::size_t begin;
  std::size_t end;
};

/// A compiled pattern. Threads: const calls are safe on shared objects
class regex {
public:
  /// Errors:     errc::malformed, or errc::unsupported for what Oniguruma and PCRE2 read differently
  static result<regex> compile(std::string_view pattern);

  /// All matches in `text` (valid UTF-8), left to right, without overlap.
  std::vector<span_of_text> find_all(std::string_view text) const;

private:
  struct code;
  explicit regex(std::shared_ptr<code const> c) : code_(std::move(c)) {}
  std::shared_ptr<code const> code_;
};

}  // namespace gpuplace::text
