#pragma once
/// @file
/// What the scheduler knows of one request, and the table that holds all of them.

#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/generation.hpp>

#include <cassert>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::detail {

using sequence_index = std::uint32_t;
inline constexpr sequence_index no_sequence = std::numeric_limits<sequence_index>::max();

/// `ended`: everybody has been told, and steps in flight still hold its slot and pages.
enum class sequence_state : std::uint8_t { unused, waiting, running, ended };

struct sequence {
  generation_request request;    ///< its prompt moves to `tokens` when the sequence is admitted
  std::vector<token_id> tokens;  ///< prompt, then what was generated
  std::vector<page_id> pages;
  std::vector<token_logprobs> logprobs;  ///< of what was generated, where asked
  stop_watch watch;                      ///< empty where the request has no stop rule
  std::optional<seconds> deadline;
  std::size_t sample = 0;
  sequence_index sibling = no_sequence;  ///< the samples of one request form a ring
  std::int64_t prompt_tokens = 0;
  std::int64_t longest = 0;   ///< most tokens it may reach
  std::int64_t asked = 0;     ///< tokens that are in the KV cache or, by a step in flight, will be
  std::int64_t computed = 0;  ///< tokens in the KV cache
  std::uint64_t stream = 0;
  slot_id slot = -1;
  sequence_state state = sequence_state::unused;
  std::int64_t steps = 0;  ///< in flight that it takes part in: several of its prompt, else one
  bool cancelled = false;
  bool started = false;
  seconds submitted{0}, first_step{0};
  std::optional<seconds> first_token;
  std::uint32_t reuse = 0;  ///< tells this sequence from earlier ones in the same place
  sequence_index previous = no_sequence, next = no_sequence;

  std::int64_t size() const { return tokens.empty() ? prompt_tokens : static_cast<std::int64_t>(tokens.size()); }
  /// Tokens that no step has been asked for.
  std::int64_t pending() const { return size() - asked; }
  std::int64_t generated() const { return size() - prompt_tokens; }
  std::span<token_id const> chunk(std::int64_t count) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(asked), static_cast<std::size_t>(count));
  }
};

/// Sequences at places that are used again, so that their vectors keep what they have reserved.
class sequence_table {
public:
  sequence& operator[](sequence_index i) { return all_[i]; }
  sequence const& operator[](sequence_index i) const { return all_[i]; }
  sequence_index size() const { return static_cast<sequence_index>(all_.size()); }

  sequence_index add() {
    if (unused_.empty()) {
      all_.emplace_back();
      unused_.reserve(all_.capacity());
      return all_.back().sibling = size() - 1;
    }
    auto const i = unused_.back();
    unused_.pop_back();
    return all_[i].sibling = i;
  }

  /// Makes `i`, which stands alone, another sample of the request of `of`.
  void join(sequence_index i, sequence_index of) {
    all_[i].sibling = all_[of].sibling;
    all_[of].sibling = i;
  }

  /// Ends the sequence at `i`. Its place is not used again before recycle(): somebody still has to hear of the end.
  void remove(sequence_index i) {
    auto& s = all_[i];
    auto before = i;
    while (all_[before].sibling != i) before = all_[before].sibling;
    all_[before].sibling = s.sibling;
    s.sibling = i;
    s.state = sequence_state::unused;
    ++s.reuse;
    ended_.push_back(i);
  }
  void recycle() {
    unused_.insert(unused_.end(), ended_.begin(), ended_.end());
    ended_.clear();
  }

private:
  std::vector<sequence> all_;
  std::vector<sequence_index> unused_;
  std::vector<sequence_index> ended_;
};

/// Waiting sequences, oldest first; removes from the middle in O(1).
class sequence_queue {
public:
  explicit sequence_queue(sequence_table& table) : table_(&table) {}

  bool empty() const { return first_ == no_sequence; }
  sequence_index front() const { return first_; }
  std::int64_t size() const { return size_; }

  void push_back(sequence_index i) { link(i, last_, no_sequence); }
  void push_front(sequence_index i) { link(i, no_sequence, first_); }

  void remove(sequence_index i) {
    auto const [before, after] = std::pair((*table_)[i].previous, (*table_)[i].next);
    (before == no_sequence ? first_ : (*table_)[before].next) = after;
    (after == no_sequence ? last_ : (*table_)[after].previous) = before;
    --size_;
  }

private:
  void link(sequence_index i, sequence_index before, sequence_index after) {
    (*table_)[i].previous = before;
    (*table_)[i].next = after;
    (before == no_sequence ? first_ : (*table_)[before].next) = i;
    (after == no_sequence ? last_ : (*table_)[after].previous) = i;
    ++size_;
  }

  sequence_table* table_;
  sequence_index first_ = no_sequence, last_ = no_sequence;
  std::int64_t size_ = 0;
};

}  // namespace gpuplace::detail
