#pragma once
// Requests that are the same on every machine, for measurements without a tokenizer.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace gpuplace::cli {

// Evenly spread over [least, most].
struct length_range {
  std::int64_t least = 64;
  std::int64_t most = 64;
};

// "64" or "16:256". Errors: errc::invalid_argument
result<length_range> parse_length_range(std::string_view text, std::string const& where);
std::string to_string(length_range const& range);

struct synthetic_options {
  std::size_t requests = 100;
  std::string prompt_tokens = "64";
  std::string answer_tokens = "64";
  std::uint64_t seed = 0;
};
void add_synthetic_options(CLI::App& command, synthetic_options& options);

// Request `index` is made of random tokens and ends by its length alone, so that every run does the same work.
struct synthetic_requests {
  std::size_t count = 0;
  length_range prompt;
  length_range answer;
  std::int64_t vocabulary = 2;
  std::uint64_t seed = 0;

  generation_request operator()(std::size_t index) const;
};
result<synthetic_requests> open_synthetic(synthetic_options const& options, std::int64_t vocabulary);

}  // namespace gpuplace::cli
