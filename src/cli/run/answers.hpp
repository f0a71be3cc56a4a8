#pragma once
// How a run's answers look.

#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace gpuplace::cli {

class journal;

// "GPU 0", or "GPU 0+1" for a replica that is split.
std::string replica_label(replica const& r);
// "cuda:0", or "cuda:0,cuda:1".
std::string replica_devices(replica const& r);

// The allocation as people know it: "GPU 0: 25 prompts (indices 0-24)".
std::string allocation_text(model_plan const& model, std::size_t prompts, std::string const& router);

// One row of a run: a generation or the error that took its place.
struct row_result {
  std::string prompt;
  result<generation> outcome;
  std::vector<std::string> texts;  // of each sample
  std::vector<token_id> prompt_tokens;
};

// One JSON line, that begins with its index. A row with several samples has them in a list beside the first.
// @param piece_of  the text of a token, for log-probabilities
std::string json_row(std::size_t index, row_result const& row, model_plan const& model, bool with_token_ids,
                     std::function<std::string(token_id)> const& piece_of);

// Shows rows in the original order as soon as those before them are there.
class answer_printer {
public:
  // With `json` as JSON lines, else for people.
  answer_printer(std::FILE* out, bool json) : out_(out), json_(json) {}
  result<void> print_ready(journal const& rows, std::size_t count);
  // What is there, past the rows that are missing.
  result<void> print_rest(journal const& rows, std::size_t count);

private:
  result<void> print(journal const& rows, std::size_t number);

  std::FILE* out_;
  bool json_;
  std::size_t next_ = 0;
};

}  // namespace gpuplace::cli
