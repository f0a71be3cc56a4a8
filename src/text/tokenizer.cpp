#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include "decoder.hpp"
#include "file_text.hpp"
#include "pipeline.hpp"
#include "post_processor.hpp"
#include "sentencepiece_model.hpp"
#include "unicode.hpp"

#include <variant>

namespace gpuplace::text {

struct tokenizer::parts {
  vocabulary tokens;
  added_tokens added;
  post_processor around;
  decoder out;
  std::variant<pipeline, sentencepiece_model> engine;

  void encode(std::string_view text, std::vector<token_id>& ids) const {
    added.split(
        text, false, [&](std::string_view between) { encode_stretch(between, between.data() == text.data(), ids); },
        [&](token_id id) { ids.push_back(id); });
  }

  std::string_view written(token_id id) const { return out.takes_bytes() ? tokens.bytes(id) : tokens.spelled(id); }

private:
  void encode_stretch(std::string_view text, bool first, std::vector<token_id>& ids) const {
    if (auto const* parts_of_file = std::get_if<pipeline>(&engine)) parts_of_file->encode(text, first, added, ids);
    else std::get<sentencepiece_model>(engine).encode(text, first, ids);
  }
};

tokenizer::tokenizer(std::shared_ptr<parts const> p) : parts_(std::move(p)) {}

result<tokenizer> tokenizer::read(std::filesystem::path const& given) {
  auto const is_folder = std::filesystem::is_directory(given);
  auto const model = is_folder ? given / "tokenizer.model" : given;
  auto const path = is_folder ? given / "tokenizer.json" : given;
  auto const has_model_alone = !std::filesystem::exists(path) && std::filesystem::exists(model);
  if (is_folder ? has_model_alone : given.extension() == ".model") return read_model(model);
  GPUPLACE_TRY(auto const text, file_text(path));
  return parse(text, path.string());
}

result<tokenizer> tokenizer::read_model(std::filesystem::path const& file) {
  GPUPLACE_TRY(auto const settings, sentencepiece_settings::read(file.parent_path()));
  GPUPLACE_TRY(auto model, sentencepiece_model::read(file, settings.space_before_each));
  vocabulary tokens(spelling_style::plain);
  model.list_pieces(tokens);
  GPUPLACE_TRY(auto added, added_tokens::read(settings.entries(model.special_pieces(), tokens), normalizer(), tokens));
  post_processor around;
  if (auto const bos = model.bos(); bos && settings.add_bos.value_or(true)) around.before = {*bos};
  if (auto const eos = model.eos(); eos && settings.add_eos) around.behind = {*eos};
  auto out = decoder::of_sentencepiece(model.space_in_front());
  return tokenizer(std::make_shared<parts const>(
      parts{std::move(tokens), std::move(added), std::move(around), std::move(out), std::move(model)}));
}

result<tokenizer> tokenizer::parse(std::string_view json_text, std::string const& source) {
  auto const read_all = [&]() -> result<tokenizer> {
    GPUPLACE_TRY(auto const file, tokenizer_file::parse(json_text));
    GPUPLACE_TRY(auto out, decoder::read(file.part("decoder")));
    vocabulary tokens(out.takes_bytes() ? spelling_style::byte_level : spelling_style::plain);
    GPUPLACE_TRY(auto engine, pipeline::read(file, tokens));
    GPUPLACE_TRY(auto around, post_processor::read(file.part("post_processor")));
    GPUPLACE_TRY(auto added, added_tokens::read(list_member(file.parts, "added_tokens"), engine.norm(), tokens));
    return tokenizer(std::make_shared<parts const>(
        parts{std::move(tokens), std::move(added), std::move(around), std::move(out), std::move(engine)}));
  };
  auto made = read_all();
  if (made) return made;
  auto failed = std::move(made).error();
  failed.where = source;
  return failed;
}

std::vector<token_id> tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::vector<token_id> out;
  out.reserve(text.size() / 3 + 8);
  if (add_special_tokens) out = parts_->around.before;
  if (unicode::valid_prefix(text) == text.size()) parts_->encode(text, out);
  else parts_->encode(unicode::replace_invalid(text), out);
  if (add_special_tokens) out.insert(out.end(), parts_->around.behind.begin(), parts_->around.behind.end());
  return out;
}

std::string tokenizer::decode(std::span<token_id const> ids, bool skip_special_tokens) const {
  stream_decoder stream(*this, skip_special_tokens);
  std::string text;
  for (auto const id : ids) stream.append(id, text);
  return text += stream.finish();
}

struct stream_decoder::state {
  tokenizer source;
  bool skip_special_tokens;
  decoding now;
};

stream_decoder::stream_decoder(tokenizer t, bool skip_special_tokens)
    : state_(std::make_unique<state>(state{t, skip_special_tokens, decoding(t.parts_->out)})) {}
stream_decoder::stream_decoder(stream_decoder const& other) : state_(std::make_unique<state>(*other.state_)) {}
stream_decoder& stream_decoder::operator=(stream_decoder const& other) {
  *state_ = *other.state_;
  return *this;
}
stream_decoder::stream_decoder(stream_decoder&&) noexcept = default;
stream_decoder& stream_decoder::operator=(stream_decoder&&) noexcept = default;
stream_decoder::~stream_decoder() = default;

void stream_decoder::append(token_id id, std::string& text) {
  auto const& all = *state_->source.parts_;
  if (all.tokens.has(id) && !(state_->skip_special_tokens && all.added.is_special(id))) state_->now.push(all.written(id), text);
}

std::string stream_decoder::push(token_id id) {
  std::string text;
  append(id, text);
  return text;
}

std::string stream_decoder::finish() {
  std::string text;
  state_->now.finish(text);
  state_->now = decoding(state_->source.parts_->out);
  return text;
}

std::size_t tokenizer::size() const { return parts_->tokens.size(); }
std::optional<token_id> tokenizer::id(std::string_view token) const { return parts_->tokens.id(token); }
std::optional<std::string> tokenizer::token(token_id id) const { return parts_->tokens.spelling(id); }
bool tokenizer::is_special(token_id id) const { return parts_->added.is_special(id); }
std::string_view tokenizer::token_bytes(token_id id) const { return parts_->tokens.bytes(id); }

}  // namespace gpuplace::text
