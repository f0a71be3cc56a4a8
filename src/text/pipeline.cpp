#include "pipeline.hpp"

namespace gpuplace::text {

namespace {
/// A model without a type is what its members are.
std::string model_type(json const& part) {
  auto type = type_of(part);
  return type.empty() && part.contains("merges") ? "BPE" : type;
}

result<void> check_model(tokenizer_file const& file) {
  auto const part = file.part("model");
  if (!part.is_object()) return error{errc::malformed, "no 'model' object"};
  if (auto const type = model_type(part); type != "BPE" && type != "Unigram") return unknown_part("model", part);
  return {};
}

result<void> read_tokens(tokenizer_file const& file, vocabulary& tokens) {
  if (file.tokens.empty()) return error{errc::malformed, "model: no 'vocab' with tokens"};
  constexpr std::int64_t limit = 1 << 24;  // the ids index a table: a wild one would fill the memory
  tokens.reserve(file.tokens.size());
  for (auto const& [spelling, id] : file.tokens) {
    if (id < 0 || id >= limit) return error{errc::malformed, "model: the id of the token '" + spelling + "' is out of range"};
    tokens.add(static_cast<token_id>(id), spelling);
  }
  return {};
}
}  // namespace

result<pipeline::any_model> pipeline::read_model(tokenizer_file const& file, vocabulary const& tokens, bool byte_level) {
  auto const& part = file.parts["model"];
  if (model_type(part) == "BPE") {
    GPUPLACE_TRY(auto made, bpe::read(part, tokens, byte_level));
    return any_model(std::move(made));
  }
  if (byte_level) return error{errc::unsupported, "model 'Unigram' behind the pre_tokenizer 'ByteLevel' is not known"};
  GPUPLACE_TRY(auto made, unigram::read(file, tokens));
  return any_model(std::move(made));
}

result<pipeline> pipeline::read(tokenizer_file const& file, vocabulary& tokens) {
  GPUPLACE_CHECK(check_model(file));
  GPUPLACE_CHECK(read_tokens(file, tokens));
  GPUPLACE_TRY(auto norm, normalizer::read(file.part("normalizer")));
  GPUPLACE_TRY(auto cut, pre_tokenizer::read(file.part("pre_tokenizer")));
  GPUPLACE_TRY(auto model, read_model(file, tokens, cut.byte_level()));
  return pipeline(std::move(norm), std::move(cut), std::move(model));
}

void pipeline::encode_piece(std::string_view piece, std::vector<token_id>& out) const {
  if (cache_->find(piece, out)) return;
  auto const before = out.size();
  std::visit([&](auto const& m) { m.encode(piece, out); }, model_);
  cache_->keep(piece, out.data() + before, out.data() + out.size());
}

void pipeline::encode(std::string_view text, bool first, added_tokens const& added, std::vector<token_id>& out) const {
  auto const normal = norm_.empty() ? std::string() : norm_.apply(text);
  auto const now = norm_.empty() ? text : std::string_view(normal);
  added.split(
      now, true,
      [&](std::string_view between) {
        for (auto const& piece : cut_.pieces(std::string(between), first && between.data() == now.data()))
          encode_piece(piece.text, out);
      },
      [&](token_id id) { out.push_back(id); });
}

}  // namespace gpuplace::text
