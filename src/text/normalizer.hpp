#pragma once
/// @file
/// What is done to a text before it is cut.

#include "charsmap.hpp"
#include "json_parts.hpp"
#include "replacing.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

enum class unicode_form { nfc, nfd, nfkc, nfkd };
/// A string before every text that is not empty.
struct prepend_text {
  std::string what;
};
struct replace_text {
  text_pattern pattern;
  std::string content;
};
struct lowercase_text {};
/// White space at the ends taken away.
struct strip_text {
  bool left = true;
  bool right = true;
};
/// Marks that stand on their own (general category Mn) taken away.
struct strip_accents {};

using normalizer_step = std::variant<unicode_form, prepend_text, replace_text, lowercase_text, strip_text, strip_accents, charsmap>;

/// A sequence of changes; empty where the file asks for none.
class normalizer {
public:
  /// Errors:     errc::unsupported for kinds that are not known; errc::malformed
  static result<normalizer> read(json const& part);

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;

private:
  result<void> add(json const& part);
  std::vector<normalizer_step> steps_;
};

}  // namespace gpuplace::text
