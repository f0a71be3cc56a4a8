#include "prompts.hpp"

#include <gpuplace/core/quantity_text.hpp>

#include <fstream>
#include <iostream>

namespace gpuplace::cli {

namespace {

error bad_row(std::string const& where, std::string what, std::string remedy = R"(write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]})") {
  return {errc::malformed, std::move(what), where, std::move(remedy)};
}

// The last user message, which is what a reader of the output looks for.
result<std::string> question_of(nlohmann::json const& messages, std::string const& where) {
  if (!messages.is_array() || messages.empty()) return bad_row(where, "`messages` is not a list of messages");
  std::string question;
  for (auto const& m : messages) {
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string() || !m.contains("content"))
      return bad_row(where, "a message without `role` and `content`");
    if (!m["content"].is_string())
      return error{errc::unsupported, "a message whose content is not a text", where, "content in parts (images) needs a vision model"};
    if (m["role"] == "user") question = m["content"];
  }
  return question;
}

template <class T>
result<void> read_option(nlohmann::json const& row, char const* key, std::optional<T>& into, std::string const& where) {
  auto const found = row.find(key);
  if (found == row.end() || found->is_null()) return {};
  if (std::is_integral_v<T> ? !found->is_number_integer() : !found->is_number())
    return bad_row(where, std::string("`") + key + "` is not " + (std::is_integral_v<T> ? "a whole number" : "a number"), {});
  into = found->get<T>();
  return {};
}

result<prompt_row> read_json_row(std::string const& line, std::string const& where) {
  auto const parsed = nlohmann::json::parse(line, nullptr, false);
  if (!parsed.is_object()) return bad_row(where, "the line is not a JSON object");
  prompt_row row;
  if (auto const m = parsed.find("messages"); m != parsed.end()) {
    GPUPLACE_TRY(row.text, question_of(*m, where));
    row.messages = *m;
  } else if (auto const p = parsed.find("prompt"); p != parsed.end() && p->is_string()) {
    row.text = *p;
  } else {
    return bad_row(where, "neither `prompt` nor `messages`");
  }
  GPUPLACE_CHECK(read_option(parsed, "max_tokens", row.max_tokens, where));
  GPUPLACE_CHECK(read_option(parsed, "temperature", row.temperature, where));
  GPUPLACE_CHECK(read_option(parsed, "top_p", row.top_p, where));
  GPUPLACE_CHECK(read_option(parsed, "seed", row.seed, where));
  return row;
}

}  // namespace

result<std::vector<prompt_row>> read_prompts(std::istream& in, std::string const& where) {
  std::vector<prompt_row> rows;
  std::optional<bool> json;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    auto const body = detail::trimmed(line);
    if (body.empty()) continue;
    if (!json) json = body.front() == '{';
    if (*json) {
      GPUPLACE_TRY(auto row, read_json_row(line, where + ":" + std::to_string(number)));
      rows.push_back(std::move(row));
    } else {
      rows.push_back({.text = std::string(body), .messages = nullptr, .max_tokens = {}, .temperature = {}, .top_p = {}, .seed = {}});
    }
  }
  if (rows.empty()) return error{errc::invalid_argument, "there is no prompt", where, "write one prompt a line, or JSONL rows"};
  return rows;
}

result<std::vector<prompt_row>> read_prompts(std::string const& path) {
  if (path == "-") return read_prompts(std::cin, "standard input");
  std::ifstream file(path);
  if (!file) return error{errc::not_found, "the file cannot be opened", path, "check the path of --prompts"};
  return read_prompts(file, path);
}

}  // namespace gpuplace::cli
