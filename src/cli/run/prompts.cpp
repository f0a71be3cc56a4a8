#include "prompts.hpp"

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/model/fingerprint.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace gpuplace::cli {

namespace {

error bad_row(std::string const& where, std::string what,
              std::string remedy = R"(write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]})") {
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
      return error{errc::unsupported, "a message whose content is not a text", where,
                   "content in parts (images) needs a vision model"};
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

// One string or a list of them, as OpenAI has it.
result<void> read_stop(nlohmann::json const& row, std::optional<std::vector<std::string>>& into, std::string const& where) {
  auto const found = row.find("stop");
  if (found == row.end() || found->is_null()) return {};
  auto const listed = found->is_string() ? nlohmann::json::array({*found}) : *found;
  std::vector<std::string> all;
  if (!listed.is_array()) return bad_row(where, "`stop` is not a text or a list of texts", {});
  for (auto const& text : listed) {
    if (!text.is_string() || text.get_ref<std::string const&>().empty())
      return bad_row(where, "`stop` is not a text or a list of texts", {});
    all.push_back(text);
  }
  into = std::move(all);
  return {};
}

result<prompt_row> read_json_row(std::string_view line, std::string const& where) {
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
  GPUPLACE_CHECK(read_option(parsed, "top_k", row.top_k, where));
  GPUPLACE_CHECK(read_option(parsed, "min_p", row.min_p, where));
  GPUPLACE_CHECK(read_option(parsed, "repetition_penalty", row.repetition_penalty, where));
  GPUPLACE_CHECK(read_option(parsed, "frequency_penalty", row.frequency_penalty, where));
  GPUPLACE_CHECK(read_option(parsed, "presence_penalty", row.presence_penalty, where));
  GPUPLACE_CHECK(read_option(parsed, "n", row.samples, where));
  GPUPLACE_CHECK(read_option(parsed, "logprobs", row.logprobs, where));
  GPUPLACE_CHECK(read_option(parsed, "seed", row.seed, where));
  GPUPLACE_CHECK(read_stop(parsed, row.stop, where));
  return row;
}

}  // namespace

result<prompt_row> read_prompt(std::string_view line, bool json, std::string const& where) {
  if (json) return read_json_row(line, where);
  prompt_row row;
  row.text = std::string(line);
  return row;
}

result<prompt_row> spooled_prompts::read(std::size_t number) const {
  GPUPLACE_TRY(auto const line, rows.get(number));
  auto const where = "row " + std::to_string(number);
  if (!line) return error{errc::unreadable, "the prompt is gone", rows.path() + ", " + where, "leave the files of a run alone"};
  return read_prompt(*line, json, where);
}

namespace {

// Prompts as they are put on disk, one after the other.
class spooler {
public:
  explicit spooler(row_file rows) : made_{.rows = std::move(rows), .count = 0, .json = false, .most_samples = 1, .hash = {}} {}

  // A row that was read with `json` decided by the first one.
  result<void> put(std::string_view line, bool json, std::string const& where) {
    GPUPLACE_TRY(auto const row, read_prompt(line, json, where));
    made_.json = json;
    made_.most_samples = std::max(made_.most_samples, row.samples.value_or(1));
    hash_.add(line);
    return made_.rows.put(made_.count++, line);
  }
  std::size_t count() const { return made_.count; }
  bool json() const { return made_.json; }
  spooled_prompts take() && {
    made_.hash = hash_.hex();
    return std::move(made_);
  }

private:
  spooled_prompts made_;
  fnv1a hash_;
};

}  // namespace

result<spooled_prompts> spool_prompts(std::istream& in, std::string const& where, std::string path) {
  GPUPLACE_TRY(auto rows, row_file::open(std::move(path)));
  spooler all(std::move(rows));
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    auto const body = detail::trimmed(line);
    if (body.empty()) continue;
    bool const json = all.count() == 0 ? body.front() == '{' : all.json();
    GPUPLACE_CHECK(all.put(body, json, where + ":" + std::to_string(number)));
  }
  if (in.bad()) return error{errc::unreadable, "the prompts could not be read to their end", where, {}};
  if (all.count() == 0) return error{errc::invalid_argument, "there is no prompt", where, "write one prompt a line, or JSONL rows"};
  return std::move(all).take();
}

result<spooled_prompts> spool_prompts(std::vector<std::string> const& texts, std::string path) {
  GPUPLACE_TRY(auto rows, row_file::open(std::move(path)));
  spooler all(std::move(rows));
  for (auto const& text : texts) {
    if (detail::trimmed(text).empty())
      return error{errc::invalid_argument, "there is no prompt", "--prompt", "write what is to be answered"};
    GPUPLACE_CHECK(all.put(text, false, "--prompt"));
  }
  return std::move(all).take();
}

result<spooled_prompts> spool_prompts(std::string const& from, std::string path) {
  if (from == "-") return spool_prompts(std::cin, "standard input", std::move(path));
  std::ifstream file(from);
  if (!file || std::filesystem::is_directory(from))
    return error{errc::not_found, "the file cannot be opened", from, "check the path of --prompts"};
  return spool_prompts(file, from, std::move(path));
}

}  // namespace gpuplace::cli
