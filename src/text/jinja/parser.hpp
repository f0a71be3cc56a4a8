#pragma once
// Tokens as a tree.

#include "ast.hpp"
#include "lexer.hpp"

namespace gpuplace::text::jinja {

// Throws fault: errc::malformed for text that is not Jinja, errc::unsupported for statements that are not known.
block parse(std::string const& source);

}  // namespace gpuplace::text::jinja
