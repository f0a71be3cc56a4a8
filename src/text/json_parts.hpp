#pragma once
/// @file
/// Reading parts of tokenizer.json.

#include <gpuplace/core/result.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace gpuplace::text {

using json = nlohmann::json;

/// The "type" of a part; empty where it has none.
inline std::string type_of(json const& part) {
  auto const found = part.is_object() ? part.find("type") : part.end();
  return part.is_object() && found != part.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A part of a kind that cannot be run: `normalizer 'BertNormalizer'`.
inline error unknown_part(std::string const& role, json const& part) {
  auto const type = type_of(part);
  return error{errc::unsupported,
               role + (type.empty() ? " without a type" : " '" + type + "'") + " is not known",
               {},
               "gpuplace reads the BPE and Unigram tokenizers of Llama, Mistral, Qwen, Gemma, SmolLM2 and those built alike"};
}

/// A boolean member, `otherwise` where it is missing or null.
inline bool flag(json const& part, char const* name, bool otherwise) {
  auto const found = part.find(name);
  return found != part.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

/// A string member; empty where it is missing or null.
inline std::string text_member(json const& part, char const* name) {
  auto const found = part.find(name);
  return found != part.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A list member; an empty list where it is missing or something else.
inline json const& list_member(json const& part, char const* name) {
  static json const nothing = json::array();
  auto const found = part.find(name);
  return found != part.end() && found->is_array() ? *found : nothing;
}

}  // namespace gpuplace::text
