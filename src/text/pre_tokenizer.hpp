#pragma once
/// @file
/// How a text is cut into the pieces that are merged on their own.

#include "json_parts.hpp"
#include "metaspace.hpp"
#include "replacing.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpuplace::text {

/// What becomes of the matches of a cut.
enum class delimiter { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Cuts at the matches of a pattern.
struct split_step {
  text_pattern pattern;
  delimiter behavior = delimiter::isolated;
  bool invert = false;
};
/// Cuts numbers from what is beside them.
struct digits_step {
  bool individual = false;
};
/// A space before a text that has none; ByteLevel's `add_prefix_space`.
struct prefix_space_step {};

/// Spaces made visible, one put in front, and a cut before each.
using metaspace_step = metaspace_settings;

using pre_token_step = std::variant<split_step, digits_step, prefix_space_step, metaspace_step>;

/// A stretch of a text on its way to the model.
struct text_piece {
  std::string text;
  bool first = false;  ///< it begins where the whole text does
};

/// A sequence of cuts, each applied to every piece of the one before.
class pre_tokenizer {
public:
  /// Errors:     errc::unsupported for kinds that are not known
  static result<pre_tokenizer> read(json const& part);

  /// The pieces of `text` (valid UTF-8), none of them empty. `first` says whether it begins a text; what follows an added token
  /// does not.
  std::vector<text_piece> pieces(std::string text, bool first) const;

  /// True where the model sees bytes in GPT-2's alphabet.
  bool byte_level() const { return byte_level_; }

private:
  result<void> add(json const& part);
  result<void> add_split(json const& part);
  result<void> add_byte_level(json const& part);
  result<void> add_punctuation(json const& part);
  result<void> add_metaspace(json const& part);
  result<void> add_cut(std::string_view pattern, delimiter behavior, bool invert);

  std::vector<pre_token_step> steps_;
  bool byte_level_ = false;
};

}  // namespace gpuplace::text
