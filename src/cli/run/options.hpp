#pragma once
// What the command line of a run says.

#include "../planning.hpp"

#include <gpuplace/runtime/generation.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

struct run_options {
  planning_options planning;
  std::string prompts;  // a file; empty where `prompt` has them
  std::vector<std::string> prompt;
  std::string plan_file;
  std::string routing = "contiguous_shards";
  std::string backend;
  std::string output;  // empty: for people, on standard output
  std::int64_t max_tokens = 128;
  std::int64_t min_tokens = 0;
  bool ignore_end = false;
  sampling how;
  std::vector<std::string> stop;
  std::int64_t samples = 1;
  std::optional<std::int32_t> logprobs;
  bool raw = false;
  bool token_ids = false;
  bool restart = false;
  double meeting_limit = 60;  // seconds in which all processes of a run must have come
};

}  // namespace gpuplace::cli
