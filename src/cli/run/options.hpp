#pragma once
// What the command line of a run says.

#include "../planning.hpp"

#include <gpuplace/runtime/generation.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace gpuplace::cli {

struct run_options {
  planning_options planning;
  std::string prompts;              // a file; empty where `prompt` has them
  std::vector<std::string> prompt;
  std::string plan_file;
  std::string routing = "contiguous_shards";
  std::string backend;
  std::string output;               // empty: for people, on standard output
  std::int64_t max_tokens = 128;
  sampling how;
  std::vector<std::string> stop;
  bool raw = false;
  bool token_ids = false;
  bool restart = false;
};

}  // namespace gpuplace::cli
