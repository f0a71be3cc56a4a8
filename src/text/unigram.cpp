#include "unigram.hpp"

#include "byte_piece.hpp"
#include "regex.hpp"
#include "unicode.hpp"

#include <algorithm>
#include <cmath>

namespace gpuplace::text {

result<unigram> unigram::read(tokenizer_file const& file, vocabulary const& tokens) {
  constexpr double cost_of_unknown = 10;
  auto const& part = file.parts["model"];
  if (file.scores.size() != file.tokens.size() || file.tokens.empty())
    return error{errc::malformed, "model 'Unigram': the vocabulary is no list of tokens with scores"};
  auto const unknown = part.find("unk_id");
  if (unknown == part.end() || unknown->is_null()) return error{errc::unsupported, "model 'Unigram' without unk_id is not known"};
  if (!unknown->is_number_unsigned() || unknown->get<std::uint64_t>() >= file.tokens.size())
    return error{errc::malformed, "model 'Unigram': unk_id is no token"};
  unigram made;
  made.unknown_ = unknown->get<token_id>();
  made.byte_fallback_ = flag(part, "byte_fallback", false);
  for (unsigned b = 0; b < 256; ++b) made.bytes_[b] = tokens.id(piece_of_byte(static_cast<unsigned char>(b)));
  made.edges_.reserve(file.tokens.size() * 3);
  for (std::size_t i = 0; i < file.tokens.size(); ++i) {
    if (!std::isfinite(file.scores[i])) return error{errc::malformed, "model 'Unigram': a score is no finite number"};
    made.add(file.tokens[i].first, static_cast<token_id>(i), file.scores[i]);
  }
  made.unknown_score_ = *std::min_element(file.scores.begin(), file.scores.end()) - cost_of_unknown;
  return made;
}

void unigram::add(std::string_view spelling, token_id id, double score) {
  if (spelling.empty()) return;
  std::size_t node = 0;
  for (auto const c : spelling) {
    auto const [at, is_new] = edges_.try_emplace(edge(node, c), static_cast<std::uint32_t>(nodes_.size()));
    if (is_new) nodes_.emplace_back();
    node = at->second;
  }
  nodes_[node] = {id, score};
}

void unigram::reach_from(std::string_view piece, std::size_t begin, std::vector<arrival>& best) const {
  auto const so_far = best[begin].score;
  auto const offer = [&](std::size_t end, double score, token_id id) {
    if (best[end].reached && best[end].score >= score) return;
    best[end] = {score, begin, id, true};
  };
  auto behind = begin;
  unicode::next(piece, behind);
  bool covered = false;
  std::size_t node = 0;
  for (auto at = begin; at < piece.size(); ++at) {
    auto const found = edges_.find(edge(node, piece[at]));
    if (found == edges_.end()) break;
    node = found->second;
    if (nodes_[node].id < 0) continue;
    offer(at + 1, nodes_[node].score + so_far, nodes_[node].id);
    covered = covered || at + 1 == behind;
  }
  if (!covered) offer(behind, unknown_score_ + so_far, unknown_);
}

void unigram::encode(std::string_view piece, std::vector<token_id>& out) const {
  std::vector<arrival> best(piece.size() + 1);
  for (std::size_t at = 0; at < piece.size(); unicode::next(piece, at)) reach_from(piece, at, best);
  std::vector<span_of_text> parts;  // last first; a run of unknown ones is one
  bool after_unknown = false;
  for (auto end = piece.size(); end > 0; end = best[end].begin) {
    auto const unknown = best[end].id == unknown_;
    if (unknown && after_unknown) parts.back().begin = best[end].begin;
    else parts.push_back({best[end].begin, end});
    after_unknown = unknown;
  }
  std::reverse(parts.begin(), parts.end());
  for (auto const& p : parts) {
    auto const id = best[p.end].id;
    if (id == unknown_) append_unknown(piece.substr(p.begin, p.end - p.begin), out);
    else out.push_back(id);
  }
}

void unigram::append_unknown(std::string_view part, std::vector<token_id>& out) const {
  std::size_t node = 0;
  for (auto const c : part) {
    auto const found = edges_.find(edge(node, c));
    node = found == edges_.end() ? 0 : found->second;
    if (node == 0) break;
  }
  auto const has_piece = [&](char c) { return bytes_[static_cast<unsigned char>(c)].has_value(); };
  if (node != 0 && nodes_[node].id >= 0)
    out.push_back(nodes_[node].id);  // characters that none covers, which make a token together
  else if (byte_fallback_ && std::all_of(part.begin(), part.end(), has_piece))
    for (auto const c : part) out.push_back(*bytes_[static_cast<unsigned char>(c)]);
  else out.push_back(unknown_);
}

}  // namespace gpuplace::text
