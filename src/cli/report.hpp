#pragma once
// What a run prints: who gets which prompts, the results in order, and a summary.

#include "prompts.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <string>
#include <vector>

namespace gpuplace::cli {

// "GPU 0", or "GPU 0+1" for a replica that is split.
std::string replica_label(replica const& r);
// "cuda:0", or "cuda:0,cuda:1".
std::string replica_devices(replica const& r);

// The allocation as people know it: "GPU 0: 25 prompts (indices 0-24)". Empty for a router whose choice depends on the load.
std::string allocation_text(model_plan const& model, std::size_t prompts, std::string const& router);

// One row of a run: a generation or the error that took its place.
struct row_result {
  result<generation> outcome;
  std::vector<token_id> prompt_tokens;
  std::string text;
};

// One JSON line.
std::string json_row(std::size_t index, prompt_row const& asked, row_result const& row, model_plan const& model, bool with_token_ids);

// The answers for people, in the original order.
std::string text_row(std::size_t index, prompt_row const& asked, row_result const& row);

struct run_times {
  double loading = 0;
  double generating = 0;
};
std::string summary_text(std::vector<row_result> const& rows, model_plan const& model, run_times const& times);

}  // namespace gpuplace::cli
