#pragma once
/// @file
/// Ends an answer at a string of its text.

#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/text/answer_text.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// The rule for generation_request::stop that ends an answer once its text has one of `strings`, with finish_reason::stop and
/// with the token that completed the string as its last. text::answer_text with the same strings cuts the text before it.
/// One rule may serve any number of requests. Link gpuplace::text.
/// @param strings  empty ones are left out; without any the rule is empty
inline std::shared_ptr<stop_rule const> stop_at(text::tokenizer tokens, std::vector<std::string> strings) {
  std::erase(strings, std::string());
  if (strings.empty()) return nullptr;
  auto watch = [tokens = std::move(tokens), strings] {
    return [text = std::make_shared<text::answer_text>(tokens, strings)](std::span<token_id const> fresh) {
      (void)text->push(fresh);
      return text->stopped();
    };
  };
  return std::make_shared<stop_rule const>(stop_rule{std::move(strings), std::move(watch)});
}

}  // namespace gpuplace
