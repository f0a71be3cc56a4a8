#pragma once
// From a prompt's row to a request, and from tokens to text.

#include "options.hpp"
#include "prompts.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/text/chat_template.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

// The text side of a checkpoint. The template is absent where prompts are raw.
struct text_side {
  text::tokenizer tokens;
  std::optional<text::chat_template> conversation;
};
result<text_side> open_text(std::string const& folder, bool raw);

// The strings that end the answer of a row.
std::vector<std::string> const& stop_strings_of(prompt_row const& row, run_options const& options);

// The request of row `index`. What the row leaves open, the command line says.
result<generation_request> request_of(std::size_t index, prompt_row const& row, text_side const& side, run_options const& options,
                                      model_config const& config);

}  // namespace gpuplace::cli
