#include "bpe.hpp"

#include "byte_level.hpp"

#include <queue>
#include <tuple>

namespace gpuplace::text {

namespace {
struct pair_of_spellings {
  std::string_view left;
  std::string_view right;
};

/// A merge is "a b" in older files and ["a", "b"] in newer ones.
result<pair_of_spellings> spellings_of(json const& entry) {
  if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string())
    return pair_of_spellings{entry[0].get_ref<std::string const&>(), entry[1].get_ref<std::string const&>()};
  if (entry.is_string()) {
    auto const& text = entry.get_ref<std::string const&>();
    auto const space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos)
      return pair_of_spellings{std::string_view(text).substr(0, space), std::string_view(text).substr(space + 1)};
  }
  return error{errc::malformed, "model: a merge is not a pair of tokens: " + entry.dump()};
}

error missing_token(std::string_view spelling) {
  return error{errc::malformed, "model: the merges need the token '" + std::string(spelling) + "', which the vocabulary lacks"};
}

result<void> check_options(json const& part) {
  if (type_of(part) != "BPE" && !(type_of(part).empty() && part.contains("merges"))) return unknown_part("model", part);
  auto const refuse = [](std::string const& what) { return error{errc::unsupported, "model 'BPE' with " + what + " is not known"}; };
  if (flag(part, "byte_fallback", false)) return refuse("byte_fallback");
  if (part.contains("dropout") && part["dropout"].is_number() && part["dropout"].get<double>() > 0) return refuse("dropout");
  for (auto const* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!text_member(part, affix).empty()) return refuse(affix);
  return {};
}

result<void> read_tokens(tokenizer_file const& file, vocabulary& tokens) {
  if (file.tokens.empty()) return error{errc::malformed, "model: no 'vocab' object"};
  constexpr std::int64_t limit = 1 << 24;  // the ids index a table: a wild one would fill the memory
  tokens.reserve(file.tokens.size());
  for (auto const& [spelling, id] : file.tokens) {
    if (id < 0 || id >= limit) return error{errc::malformed, "model: the id of the token '" + spelling + "' is out of range"};
    tokens.add(static_cast<token_id>(id), spelling);
  }
  return {};
}
}  // namespace

result<bpe> bpe::read(tokenizer_file const& file, vocabulary& tokens) {
  auto const found = file.parts.find("model");
  if (found == file.parts.end()) return error{errc::malformed, "no 'model' object"};
  auto const& part = *found;
  if (!part.is_object()) return error{errc::malformed, "no 'model' object"};
  GPUPLACE_CHECK(check_options(part));
  GPUPLACE_CHECK(read_tokens(file, tokens));
  bpe made;
  GPUPLACE_CHECK(made.read_merges(list_member(part, "merges"), tokens));
  for (std::size_t b = 0; b < 256; ++b) made.bytes_[b] = tokens.id(byte_level::spelling_of(std::string(1, static_cast<char>(b))));
  if (auto const unknown = text_member(part, "unk_token"); !unknown.empty()) {
    made.unknown_ = tokens.id(unknown);
    if (!made.unknown_) return missing_token(unknown);
  }
  made.fuse_unknown_ = flag(part, "fuse_unk", false);
  if (flag(part, "ignore_merges", false))
    for (std::size_t row = 0; row < tokens.rows(); ++row) {
      auto const id = static_cast<token_id>(row);
      auto const spelling = tokens.spelling(id);
      if (!spelling) continue;
      if (auto bytes = byte_level::bytes_of(*spelling)) made.whole_.emplace(*std::move(bytes), id);
    }
  return made;
}

result<void> bpe::read_merges(json const& list, vocabulary const& tokens) {
  merges_.reserve(list.size());
  std::uint32_t rank = 0;
  std::string joined;
  for (auto const& entry : list) {
    GPUPLACE_TRY(auto const pair, spellings_of(entry));
    joined.assign(pair.left).append(pair.right);
    auto const left = tokens.id(pair.left), right = tokens.id(pair.right), both = tokens.id(joined);
    if (!left) return missing_token(pair.left);
    if (!right) return missing_token(pair.right);
    if (!both) return missing_token(joined);
    merges_.insert_or_assign(pair_of(*left, *right), merge{rank++, *both});
  }
  return {};
}

void bpe::encode(std::string_view piece, std::vector<token_id>& out) const {
  if (!whole_.empty())
    if (auto const found = whole_.find(std::string(piece)); found != whole_.end()) {
      out.push_back(found->second);
      return;
    }
  auto symbols = symbols_of(piece);
  merge_all(symbols);
  for (auto const& s : symbols)
    if (s.alive) out.push_back(s.id);
}

std::vector<bpe::symbol> bpe::symbols_of(std::string_view piece) const {
  std::vector<symbol> symbols;
  symbols.reserve(piece.size());
  bool after_unknown = false;
  for (auto const c : piece) {
    auto const id = bytes_[static_cast<unsigned char>(c)];
    bool const skip = !id && (!unknown_ || (fuse_unknown_ && after_unknown));
    after_unknown = !id;
    if (skip) continue;
    auto const at = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id ? *id : *unknown_, at - 1, at + 1, true});
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

bpe::merge const* bpe::merge_at(std::vector<symbol> const& symbols, std::int32_t left) const {
  auto const& s = symbols[static_cast<std::size_t>(left)];
  if (!s.alive || s.next < 0) return nullptr;
  auto const found = merges_.find(pair_of(s.id, symbols[static_cast<std::size_t>(s.next)].id));
  return found == merges_.end() ? nullptr : &found->second;
}

void bpe::merge_all(std::vector<symbol>& symbols) const {
  using candidate = std::pair<std::uint32_t, std::int32_t>;  // rank, then place: the leftmost of equals goes first
  std::vector<candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<candidate, std::vector<candidate>, std::greater<>> queue(std::greater<>{}, std::move(storage));
  auto const offer = [&](std::int32_t left) {
    if (left < 0) return;
    if (auto const* m = merge_at(symbols, left)) queue.emplace(m->rank, left);
  };
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(symbols.size()); ++i) offer(i);
  while (!queue.empty()) {
    auto const [rank, left] = queue.top();
    queue.pop();
    auto const* m = merge_at(symbols, left);
    if (m == nullptr || m->rank != rank) continue;  // a neighbour was merged since
    auto& s = symbols[static_cast<std::size_t>(left)];
    auto& gone = symbols[static_cast<std::size_t>(s.next)];
    s.id = m->joined;
    gone.alive = false;
    s.next = gone.next;
    if (s.next >= 0) symbols[static_cast<std::size_t>(s.next)].previous = left;
    offer(s.previous);
    offer(left);
  }
}

}  // namespace gpuplace::text
