#include "bpe.hpp"

#include "byte_level.hpp"
#include "byte_piece.hpp"
#include "unicode.hpp"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

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
  auto const refuse = [](std::string const& what) {
    return error{errc::unsupported, "model 'BPE' with " + what + " is not known"};
  };
  if (part.contains("dropout") && part["dropout"].is_number() && part["dropout"].get<double>() > 0) return refuse("dropout");
  for (auto const* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!text_member(part, affix).empty()) return refuse(affix);
  return {};
}
}  // namespace

result<bpe> bpe::read(json const& part, vocabulary const& tokens, bool byte_level) {
  GPUPLACE_CHECK(check_options(part));
  bpe made;
  made.byte_level_ = byte_level;
  made.byte_fallback_ = flag(part, "byte_fallback", false);
  made.fuse_unknown_ = flag(part, "fuse_unk", false);
  GPUPLACE_CHECK(made.read_merges(list_member(part, "merges"), tokens));
  for (unsigned b = 0; b < 256; ++b) {
    auto const byte = static_cast<unsigned char>(b);
    made.bytes_[b] = tokens.id(byte_level ? byte_level::spelling_of(std::string(1, static_cast<char>(byte))) : piece_of_byte(byte));
  }
  if (auto const unknown = text_member(part, "unk_token"); !unknown.empty()) {
    made.unknown_ = tokens.id(unknown);
    if (!made.unknown_) return missing_token(unknown);
  }
  if (!byte_level)
    for (std::size_t row = 0; row < tokens.rows(); ++row) {
      auto const spelling = tokens.spelled(static_cast<token_id>(row));
      std::size_t at = 0;
      auto const c = spelling.empty() ? U'\0' : unicode::next(spelling, at);
      if (at != 0 && at == spelling.size()) made.characters_.emplace(c, static_cast<token_id>(row));
    }
  if (flag(part, "ignore_merges", false)) made.keep_whole_tokens(tokens);
  return made;
}

void bpe::keep_whole_tokens(vocabulary const& tokens) {
  for (std::size_t row = 0; row < tokens.rows(); ++row) {
    auto const id = static_cast<token_id>(row);
    if (!tokens.has(id)) continue;
    if (!byte_level_) whole_.emplace(tokens.spelled(id), id);
    else if (auto bytes = byte_level::bytes_of(tokens.spelled(id))) whole_.emplace(*std::move(bytes), id);
  }
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

void bpe::append(std::vector<symbol>& symbols, token_id id) {
  auto const at = static_cast<std::int32_t>(symbols.size());
  symbols.push_back({id, at - 1, at + 1, true});
}

std::vector<bpe::symbol> bpe::closed(std::vector<symbol> symbols) {
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

void bpe::encode(std::string_view piece, std::vector<token_id>& out) const {
  if (!whole_.empty())
    if (auto const found = whole_.find(piece); found != whole_.end()) {
      out.push_back(found->second);
      return;
    }
  auto symbols = byte_level_ ? bytes_of(piece) : characters_of(piece);
  merge_all(symbols);
  for (auto const& s : symbols)
    if (s.alive) out.push_back(s.id);
}

std::vector<bpe::symbol> bpe::bytes_of(std::string_view piece) const {
  std::vector<symbol> symbols;
  symbols.reserve(piece.size());
  bool after_unknown = false;
  for (auto const c : piece) {
    auto const id = bytes_[static_cast<unsigned char>(c)];
    bool const skip = !id && (!unknown_ || (fuse_unknown_ && after_unknown));
    after_unknown = !id;
    if (!skip) append(symbols, id ? *id : *unknown_);
  }
  return closed(std::move(symbols));
}

std::vector<bpe::symbol> bpe::characters_of(std::string_view piece) const {
  std::vector<symbol> symbols;
  symbols.reserve(piece.size());
  bool unknown_waits = false;  // it is written when the next known character comes: byte tokens overtake it, as in the library
  for (std::size_t at = 0; at < piece.size();) {
    auto const begin = at;
    auto const known = characters_.find(unicode::next(piece, at));
    if (known != characters_.end()) {
      if (std::exchange(unknown_waits, false)) append(symbols, *unknown_);
      append(symbols, known->second);
      continue;
    }
    auto const bytes = piece.substr(begin, at - begin);
    auto const has_piece = [&](char c) { return bytes_[static_cast<unsigned char>(c)].has_value(); };
    if (byte_fallback_ && std::all_of(bytes.begin(), bytes.end(), has_piece)) {
      for (auto const c : bytes) append(symbols, *bytes_[static_cast<unsigned char>(c)]);
    } else if (unknown_) {
      if (unknown_waits && !fuse_unknown_) append(symbols, *unknown_);
      unknown_waits = true;
    }
  }
  if (unknown_waits) append(symbols, *unknown_);
  return closed(std::move(symbols));
}

bpe::merge const* bpe::merge_at(std::vector<symbol> const& symbols, std::int32_t left) const {
  auto const& s = symbols[static_cast<std::size_t>(left)];
  if (!s.alive || s.next < 0) return nullptr;
  auto const found = merges_.find(pair_of(s.id, symbols[static_cast<std::size_t>(s.next)].id));
  return found == merges_.end() ? nullptr : &found->second;
}

void bpe::merge_all(std::vector<symbol>& symbols) const {
  // Rank, then place: the leftmost of equals goes first. Another pair that joins to the same token may have come in between; the
  // library takes it.
  using candidate = std::tuple<std::uint32_t, std::int32_t, token_id>;
  std::vector<candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<candidate, std::vector<candidate>, std::greater<>> queue(std::greater<>{}, std::move(storage));
  auto const offer = [&](std::int32_t left) {
    if (left < 0) return;
    if (auto const* m = merge_at(symbols, left)) queue.emplace(m->rank, left, m->joined);
  };
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(symbols.size()); ++i) offer(i);
  while (!queue.empty()) {
    auto const [rank, left, joined] = queue.top();
    queue.pop();
    auto const* m = merge_at(symbols, left);
    if (m == nullptr || m->joined != joined) continue;  // a neighbour was merged since
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
