#pragma once
/// @file
/// What a chat template is filled with.

#include <nlohmann/json.hpp>

namespace gpuplace::text {

/// One rendering of a chat template. JSON keeps the order of keys: templates print tools as they were written.
struct chat_request {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();   ///< [{"role", "content", …}, …] as OpenAI has them
  nlohmann::ordered_json tools = nullptr;                              ///< function signatures, or null
  nlohmann::ordered_json documents = nullptr;                          ///< for retrieval templates, or null
  bool add_generation_prompt = true;                                   ///< end with the opening of the assistant's turn
  nlohmann::ordered_json variables = nlohmann::ordered_json::object(); ///< more of the template's variables: enable_thinking, …
};

}  // namespace gpuplace::text
