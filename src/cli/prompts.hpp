#pragma once
// The prompts of a run: text lines, or JSONL with options and messages a row.

#include <gpuplace/core/result.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

struct prompt_row {
  std::string text;         // what was asked, for the output: the prompt, or the last user message
  nlohmann::json messages;  // as OpenAI has them; null where the row is a plain prompt
  std::optional<std::int64_t> max_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<std::uint64_t> seed;
};

// Reads rows from a stream; `where` names it in errors. A stream whose first character is a brace is JSONL.
// Errors: errc::malformed with the line, errc::invalid_argument when there is no prompt at all
result<std::vector<prompt_row>> read_prompts(std::istream& in, std::string const& where);

// The same from a file, or from standard input for "-".
result<std::vector<prompt_row>> read_prompts(std::string const& path);

}  // namespace gpuplace::cli
