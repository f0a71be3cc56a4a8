#pragma once
/// @file
/// Conversations as the text a model was trained on.

#include <gpuplace/core/result.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace gpuplace::text {

/// A checkpoint's chat template: the part of Jinja that the templates of SmolLM2, Qwen2/2.5/3 and Llama 3 use, with the settings
/// of transformers (trim_blocks, lstrip_blocks, its tojson, raise_exception, strftime_now, break and continue, generation blocks).
/// Text equals transformers' byte for byte; what is not known is an error that names it with its line, never a guess. A template
/// comes from strangers: steps, memory, nesting and output are limited.
/// Threads:    every member is safe on a shared object; copies share the parsed template
/// Source:     jinja.palletsprojects.com/templates; transformers' chat template utilities
class chat_template {
public:
  /// Time for strftime_now, printed as local time.
  using clock = std::function<std::chrono::system_clock::time_point()>;

  /// Parses Jinja source; `where` names it in errors.
  /// Errors:     errc::malformed with the line for text that is not Jinja; errc::unsupported for statements that are not known
  static result<chat_template> parse(std::string source, std::string where = "chat template");

  /// Reads `chat_template.jinja` of a checkpoint folder, else the "chat_template" of its `tokenizer_config.json` (the one named
  /// "default" where there are several), with the folder's bos_token and eos_token as variables.
  /// Errors:     errc::not_found where the folder has no template; errc::unreadable; else as `parse`
  static result<chat_template> read(std::filesystem::path const& folder);

  /// The conversation as text.
  /// @param messages   [{"role", "content", …}, …] as OpenAI has them
  /// @param add_generation_prompt   whether to end with the opening of the assistant's turn
  /// @param variables  more of the template's variables: tools, enable_thinking, …; "tools" and "documents" are none unless given
  /// Errors:     errc::invalid_argument where the template refuses the conversation (raise_exception, a missing key) or a limit is
  ///             hit; errc::unsupported for filters, tests, methods and functions that are not known
  /// Keys print in the order they have in the JSON: nlohmann::json sorts them, so tools read from a file belong in ordered_json.
  result<std::string> render(nlohmann::ordered_json const& messages, bool add_generation_prompt,
                             nlohmann::ordered_json const& variables, clock const& now = std::chrono::system_clock::now) const;
  result<std::string> render(nlohmann::json const& messages, bool add_generation_prompt, nlohmann::json const& variables,
                             clock const& now = std::chrono::system_clock::now) const;
  result<std::string> render(nlohmann::ordered_json const& messages, bool add_generation_prompt = true) const;
  result<std::string> render(nlohmann::json const& messages, bool add_generation_prompt = true) const;

private:
  struct parts;
  static result<chat_template> parse_with(std::string const& source, std::string where,
                                          std::map<std::string, std::string> special_tokens);
  explicit chat_template(std::shared_ptr<parts const> p);
  std::shared_ptr<parts const> parts_;
};

}  // namespace gpuplace::text
