#include "synthetic.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <charconv>
#include <random>

namespace gpuplace::cli {

result<length_range> parse_length_range(std::string_view text, std::string const& where) {
  auto const number = [&](std::string_view part) -> std::int64_t {
    std::int64_t value = 0;
    auto const [end, why] = std::from_chars(part.data(), part.data() + part.size(), value);
    return why == std::errc() && end == part.data() + part.size() ? value : 0;
  };
  auto const colon = text.find(':');
  length_range const range{number(text.substr(0, colon)), number(colon == text.npos ? text : text.substr(colon + 1))};
  if (range.least < 1 || range.most < range.least)
    return error{errc::invalid_argument, "'" + std::string(text) + "' is no number of tokens", where,
                 "write 64, or 16:256 for lengths between"};
  return range;
}

std::string to_string(length_range const& range) {
  return range.least == range.most ? fmt::format("{}", range.least) : fmt::format("{} to {}", range.least, range.most);
}

void add_synthetic_options(CLI::App& command, synthetic_options& options) {
  command.add_option("--requests", options.requests, "How many requests")->check(CLI::PositiveNumber)->capture_default_str();
  command.add_option("--prompt-tokens", options.prompt_tokens, "Length of prompts: 64, or 16:256 for lengths between")
      ->type_name("N[:M]")
      ->capture_default_str();
  command.add_option("--answer-tokens", options.answer_tokens, "Length of answers, likewise")
      ->type_name("N[:M]")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of lengths and tokens")->capture_default_str();
}

generation_request synthetic_requests::operator()(std::size_t index) const {
  std::mt19937_64 draw(seed * 0x9e3779b97f4a7c15u + index);
  auto const between = [&](std::int64_t least, std::int64_t most) { return std::uniform_int_distribution(least, most)(draw); };
  generation_request request;
  request.index = index;
  request.prompt.resize(static_cast<std::size_t>(between(prompt.least, prompt.most)));
  for (auto& token : request.prompt) token = static_cast<token_id>(between(0, vocabulary - 1));
  request.max_tokens = between(answer.least, answer.most);
  return request;
}

result<synthetic_requests> open_synthetic(synthetic_options const& options, std::int64_t vocabulary) {
  GPUPLACE_TRY(auto const prompt, parse_length_range(options.prompt_tokens, "--prompt-tokens"));
  GPUPLACE_TRY(auto const answer, parse_length_range(options.answer_tokens, "--answer-tokens"));
  return synthetic_requests{options.requests, prompt, answer, std::max<std::int64_t>(2, vocabulary), options.seed};
}

}  // namespace gpuplace::cli
