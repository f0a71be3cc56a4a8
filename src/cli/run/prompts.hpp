#pragma once
// The prompts of a run: text lines, or JSONL with options and messages a row.

#include "row_file.hpp"

#include <gpuplace/core/result.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::cli {

struct prompt_row {
  std::string text;         // what was asked, for the output: the prompt, or the last user message
  nlohmann::json messages;  // as OpenAI has them; null where the row is a plain prompt
  std::optional<std::int64_t> max_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> presence_penalty;
  std::optional<std::int64_t> top_k;
  std::optional<std::int64_t> samples;
  std::optional<std::int32_t> logprobs;
  std::optional<std::uint64_t> seed;
  std::optional<std::vector<std::string>> stop;
};

// One row. `where` names it in errors. Errors: errc::malformed
result<prompt_row> read_prompt(std::string_view line, bool json, std::string const& where);

// Prompts on disk: memory does not grow with them.
struct spooled_prompts {
  row_file rows;
  std::size_t count = 0;
  bool json = false;
  std::int64_t most_samples = 1;  // that a row asks for
  std::string hash;               // of all rows

  result<prompt_row> read(std::size_t number) const;
};

// Copies prompts to `path`, after reading each of them once: a row that is wrong ends the run before it starts. A stream
// whose first character is a brace is JSONL; empty lines are left out.
// Errors: errc::malformed with the line, errc::invalid_argument when there is no prompt at all, errc::unreadable
result<spooled_prompts> spool_prompts(std::istream& in, std::string const& where, std::string path);

// The same of prompts that are given as they are.
result<spooled_prompts> spool_prompts(std::vector<std::string> const& texts, std::string path);

// The same from a file, or from standard input for "-".
result<spooled_prompts> spool_prompts(std::string const& from, std::string path);

}  // namespace gpuplace::cli
