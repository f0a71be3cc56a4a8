#pragma once
/// @file
/// Strings that end an answer, looked for in text that comes in pieces.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::text {

/// Lets text through up to the first stop string in it, which may lie across pieces. Text that may be the beginning of one is
/// held back until the next piece decides. Of several that end at the same byte, the one that begins first counts.
/// Complexity: O(bytes * length of the strings), no more than the longest string is held
/// Threads:    one thread at a time
class stop_strings {
public:
  /// @param strings  empty ones are left out
  /// @param include  whether the answer keeps the stop string at its end
  explicit stop_strings(std::vector<std::string> strings, bool include = false) : strings_(std::move(strings)), include_(include) {
    std::erase(strings_, std::string());
  }

  /// The text that is sure to belong to the answer now; after the stop nothing.
  std::string push(std::string_view piece) {
    std::string told;
    if (found_) return told;
    if (strings_.empty()) return std::string(piece);
    for (auto const byte : piece) {
      held_ += byte;
      if (auto const* const stop = ending()) {
        found_ = *stop;
        told += include_ ? held_ : held_.substr(0, held_.size() - stop->size());
        held_.clear();
        return told;
      }
      auto const keep = beginning();
      told.append(held_, 0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
    }
    return told;
  }

  /// What was held back and did not become a stop string. The next text is looked at as new.
  std::string finish() { return std::exchange(held_, {}); }

  bool stopped() const { return found_.has_value(); }

  /// The string that ended the answer.
  std::optional<std::string> const& found() const { return found_; }

private:
  /// The longest stop string that ends where the held text ends.
  std::string const* ending() const {
    std::string const* longest = nullptr;
    for (auto const& s : strings_)
      if (held_.ends_with(s) && (longest == nullptr || s.size() > longest->size())) longest = &s;
    return longest;
  }

  /// The length of the longest end of the held text that begins a stop string.
  std::size_t beginning() const {
    std::size_t longest = 0;
    for (auto const& s : strings_)
      for (auto length = std::min(held_.size(), s.size() - 1); length > longest; --length)
        if (std::string_view(held_).substr(held_.size() - length) == std::string_view(s).substr(0, length)) longest = length;
    return longest;
  }

  std::vector<std::string> strings_;
  bool include_;
  std::string held_;
  std::optional<std::string> found_;
};

}  // namespace gpuplace::text
