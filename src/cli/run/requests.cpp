#include "requests.hpp"

#include <gpuplace/runtime/stop_at.hpp>

namespace gpuplace::cli {

result<text_side> open_text(std::string const& folder, bool raw) {
  GPUPLACE_TRY(auto tokens, text::tokenizer::read(folder));
  if (raw) return text_side{std::move(tokens), std::nullopt};
  auto conversation = text::chat_template::read(folder);
  if (!conversation && conversation.error().code == errc::not_found)
    return error{errc::not_found, "the checkpoint has no chat template", folder, "give --raw to continue prompts as they are"};
  if (!conversation) return conversation.error();
  return text_side{std::move(tokens), *std::move(conversation)};
}

namespace {

result<std::vector<token_id>> tokens_of(prompt_row const& row, text_side const& side) {
  if (!side.conversation) {
    if (!row.messages.is_null())
      return error{errc::invalid_argument, "a row with `messages` needs the chat template", row.text,
                   "leave --raw out, or give `prompt`"};
    return side.tokens.encode(row.text);
  }
  auto const one_turn = nlohmann::json::array({{{"role", "user"}, {"content", row.text}}});
  GPUPLACE_TRY(auto const written, side.conversation->render(row.messages.is_null() ? one_turn : row.messages));
  return side.tokens.encode(written, false);
}

template <class T, class U>
void take(T& into, std::optional<U> const& from) {
  if (from) into = *from;
}

}  // namespace

std::vector<std::string> const& stop_strings_of(prompt_row const& row, run_options const& options) {
  return row.stop ? *row.stop : options.stop;
}

result<generation_request> request_of(std::size_t index, prompt_row const& row, text_side const& side, run_options const& options,
                                      model_config const& config) {
  generation_request request;
  GPUPLACE_TRY(request.prompt, tokens_of(row, side));
  request.index = index;
  request.max_tokens = row.max_tokens.value_or(options.max_tokens);
  request.min_tokens = options.min_tokens;
  if (!options.ignore_end) request.end_tokens = config.end_tokens;
  request.n = row.samples.value_or(options.samples);
  request.logprobs = row.logprobs ? row.logprobs : options.logprobs;
  request.stop = stop_at(side.tokens, stop_strings_of(row, options));
  request.how = options.how;
  take(request.how.temperature, row.temperature);
  take(request.how.top_p, row.top_p);
  take(request.how.top_k, row.top_k);
  take(request.how.min_p, row.min_p);
  take(request.how.repetition_penalty, row.repetition_penalty);
  take(request.how.frequency_penalty, row.frequency_penalty);
  take(request.how.presence_penalty, row.presence_penalty);
  take(request.how.seed, row.seed);
  return request;
}

}  // namespace gpuplace::cli
