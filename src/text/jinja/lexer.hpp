#pragma once
// Jinja source as tokens, with trim_blocks and lstrip_blocks on, as transformers sets them.

#include <string>
#include <vector>

namespace gpuplace::text::jinja {

enum class token_kind { data, variable_begin, variable_end, block_begin, block_end, name, string, integer, floating, op, end };

struct token {
  token_kind kind = token_kind::end;
  std::string text;
  int line = 1;
};

// Throws fault: errc::malformed for text that is not Jinja.
std::vector<token> tokenize(std::string const& source);

}  // namespace gpuplace::text::jinja
