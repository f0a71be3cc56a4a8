#pragma once
/// @file
/// Spaces as a visible character, which sentencepiece brought: settings that pre_tokenizer and decoder share.

#include "json_parts.hpp"
#include "replacing.hpp"

#include <string>

namespace gpuplace::text {

/// Where a text gets a space in front.
enum class prepend_scheme { always, first, never };

/// The part "Metaspace" of a pre_tokenizer or decoder.
struct metaspace_settings {
  std::string replacement{space_piece};
  prepend_scheme scheme = prepend_scheme::always;
  bool split = true;

  /// Errors:     errc::unsupported for a scheme that is not known
  static result<metaspace_settings> read(json const& part, std::string const& role) {
    metaspace_settings made;
    if (auto given = text_member(part, "replacement"); !given.empty()) made.replacement = std::move(given);
    made.split = flag(part, "split", true);
    auto const scheme = text_member(part, "prepend_scheme");
    if (scheme == "first") made.scheme = prepend_scheme::first;
    else if (scheme == "never" || (scheme.empty() && !flag(part, "add_prefix_space", true))) made.scheme = prepend_scheme::never;
    else if (!scheme.empty() && scheme != "always")
      return error{errc::unsupported, role + " 'Metaspace' with the prepend_scheme '" + scheme + "' is not known"};
    return made;
  }
};

}  // namespace gpuplace::text
