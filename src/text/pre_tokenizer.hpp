#pragma once
/// @file
/// How a text is cut into the pieces that are merged on their own.

#include "json_parts.hpp"
#include "regex.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

/// What becomes of the matches of a cut.
enum class delimiter { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Cuts at the matches of a pattern.
struct split_step {
  std::variant<regex, std::string> pattern;  ///< a regular expression, or a string as it stands
  delimiter behavior = delimiter::isolated;
  bool invert = false;
};
/// Cuts numbers from what is beside them.
struct digits_step {
  bool individual = false;
};
/// A space before a text that has none; ByteLevel's `add_prefix_space`.
struct prefix_space_step {};

using pre_token_step = std::variant<split_step, digits_step, prefix_space_step>;

/// A sequence of cuts, each applied to every piece of the one before.
class pre_tokenizer {
public:
  /// Errors:     errc::unsupported for unknown kinds, and where no ByteLevel step is there
  static result<pre_tokenizer> read(json const& part);

  /// The pieces of `text` (valid UTF-8), none of them empty.
  std::vector<std::string> pieces(std::string text) const;

private:
  result<void> add(json const& part);
  result<void> add_split(json const& part);
  result<void> add_byte_level(json const& part);

  std::vector<pre_token_step> steps_;
  bool byte_level_ = false;
};

}  // namespace gpuplace::text
