#include <gpuplace/text/tokenizer.hpp>

#include "added_tokens.hpp"
#include "bpe.hpp"
#include "decoder.hpp"
#include "file_text.hpp"
#include "normalizer.hpp"
#include "piece_cache.hpp"
#include "post_processor.hpp"
#include "pre_tokenizer.hpp"
#include "tokenizer_file.hpp"
#include "unicode.hpp"

namespace gpuplace::text {

struct tokenizer::parts {
  vocabulary tokens;
  normalizer norm;
  added_tokens added;
  pre_tokenizer cut;
  bpe model;
  post_processor around;
  mutable piece_cache cache;

  parts(vocabulary v, normalizer n, added_tokens a, pre_tokenizer c, bpe m, post_processor p)
      : tokens(std::move(v)), norm(std::move(n)), added(std::move(a)), cut(std::move(c)), model(std::move(m)), around(std::move(p)) {}

  void encode_piece(std::string_view piece, std::vector<token_id>& out) const {
    if (cache.find(piece, out)) return;
    auto const before = out.size();
    model.encode(piece, out);
    cache.keep(piece, out.data() + before, out.data() + out.size());
  }

  void encode_normalized(std::string_view text, std::vector<token_id>& out) const {
    added.split(
        text, true,
        [&](std::string_view between) {
          for (auto const& piece : cut.pieces(std::string(between))) encode_piece(piece, out);
        },
        [&](token_id id) { out.push_back(id); });
  }

  void encode(std::string_view text, std::vector<token_id>& out) const {
    added.split(
        text, false,
        [&](std::string_view between) { norm.empty() ? encode_normalized(between, out) : encode_normalized(norm.apply(between), out); },
        [&](token_id id) { out.push_back(id); });
  }
};

tokenizer::tokenizer(std::shared_ptr<parts const> p) : parts_(std::move(p)) {}

result<tokenizer> tokenizer::read(std::filesystem::path const& checkpoint_folder_or_file) {
  auto const path = std::filesystem::is_directory(checkpoint_folder_or_file) ? checkpoint_folder_or_file / "tokenizer.json"
                                                                              : checkpoint_folder_or_file;
  GPUPLACE_TRY(auto const text, file_text(path));
  return parse(text, path.string());
}

result<tokenizer> tokenizer::parse(std::string_view json_text, std::string const& source) {
  auto const read_all = [&]() -> result<tokenizer> {
    GPUPLACE_TRY(auto const file, tokenizer_file::parse(json_text));
    vocabulary tokens;
    GPUPLACE_TRY(auto model, bpe::read(file, tokens));
    GPUPLACE_TRY(auto norm, normalizer::read(file.part("normalizer")));
    GPUPLACE_TRY(auto cut, pre_tokenizer::read(file.part("pre_tokenizer")));
    GPUPLACE_TRY(auto around, post_processor::read(file.part("post_processor")));
    GPUPLACE_CHECK(check_decoder(file.part("decoder")));
    GPUPLACE_TRY(auto added, added_tokens::read(list_member(file.parts, "added_tokens"), norm, tokens));
    return tokenizer(std::make_shared<parts const>(std::move(tokens), std::move(norm), std::move(added), std::move(cut), std::move(model),
                                                   std::move(around)));
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
  if (unicode::valid_prefix(text) == text.size())
    parts_->encode(text, out);
  else
    parts_->encode(unicode::replace_invalid(text), out);
  if (add_special_tokens) out.insert(out.end(), parts_->around.behind.begin(), parts_->around.behind.end());
  return out;
}

std::string tokenizer::decode(std::span<token_id const> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (auto const id : ids)
    if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
  return unicode::replace_invalid(bytes);
}

std::size_t tokenizer::size() const { return parts_->tokens.size(); }
std::optional<token_id> tokenizer::id(std::string_view token) const { return parts_->tokens.id(token); }
std::optional<std::string> tokenizer::token(token_id id) const { return parts_->tokens.spelling(id); }
bool tokenizer::is_special(token_id id) const { return parts_->added.is_special(id); }
std::string_view tokenizer::token_bytes(token_id id) const { return parts_->tokens.bytes(id); }

}  // namespace gpuplace::text
