#pragma once
/// @file
/// Names of many hosts in one word: "node[0-12499]", "rack[1-4]-gpu[01-16]", "node[1,3,7-9]".

#include <charconv>
#include <cstddef>
#include <gpuplace/core/result.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// The hosts that one word stands for, as Slurm writes them; a range that begins with a zero keeps its width. The last range
/// counts fastest.
class host_names {
public:
  /// True if the word is made of the characters of host names and ranges.
  static bool looks_like(std::string_view word) {
    for (char const c : word)
      if (!is_name_character(c) && c != '[' && c != ']' && c != ',') return false;
    return !word.empty();
  }

  /// Errors:     errc::invalid_argument
  static result<host_names> parse(std::string_view word) {
    auto const refuse = [&](std::string what) {
      return error{
          errc::invalid_argument, "'" + std::string(word) + "' " + std::move(what), {}, "write node0, node[0-99] or node[1,3,7-9]"};
    };
    host_names made;
    part now;
    for (std::size_t at = 0; at < word.size();) {
      if (word[at] != '[') {
        if (!is_name_character(word[at])) return refuse("is no name of hosts");
        now.text += word[at++];
        continue;
      }
      auto const end = word.find(']', at);
      if (end == word.npos) return refuse("lacks a ]");
      if (!read_ranges(word.substr(at + 1, end - at - 1), now.ranges)) return refuse("has a wrong range");
      if (made.parts_.size() == 8) return refuse("has too many ranges");
      made.parts_.push_back(std::exchange(now, {}));
      at = end + 1;
    }
    if (made.parts_.empty() && now.text.empty()) return refuse("is no name of hosts");
    made.tail_ = now.text;
    for (auto const& p : made.parts_) {
      std::size_t here = 0;
      for (auto const& r : p.ranges) here += r.last - r.first + 1;
      made.count_ = here > most / made.count_ ? most + 1 : made.count_ * here;
      if (made.count_ > most) return refuse("stands for too many hosts");
    }
    return made;
  }

  std::size_t count() const { return count_; }

  /// Begins anew: the first name.
  std::string first() {
    for (auto& p : parts_) p.at = 0, p.number = p.ranges[0].first;
    return name();
  }
  /// The next name; empty after the last.
  std::string next() {
    for (auto p = parts_.rbegin(); p != parts_.rend(); ++p) {
      if (p->number < p->ranges[p->at].last) return ++p->number, name();
      if (p->at + 1 < p->ranges.size()) return p->number = p->ranges[++p->at].first, name();
      p->at = 0, p->number = p->ranges[0].first;
    }
    return {};
  }

private:
  static constexpr std::size_t most = 10'000'000;
  struct range {
    std::size_t first = 0, last = 0, width = 0;
  };
  struct part {
    std::string text{};  ///< before the ranges
    std::vector<range> ranges{};
    std::size_t at = 0, number = 0;  ///< where counting stands
  };

  static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  }

  static bool read_ranges(std::string_view text, std::vector<range>& made) {
    for (std::size_t from = 0; from <= text.size();) {
      auto const comma = std::min(text.find(',', from), text.size());
      auto const one = text.substr(from, comma - from);
      auto const dash = std::min(one.find('-'), one.size());
      auto const first = one.substr(0, dash), last = dash == one.size() ? first : one.substr(dash + 1);
      range r;
      if (!number(first, r.first) || !number(last, r.last) || r.last < r.first) return false;
      if (first.size() > 1 && first[0] == '0') r.width = first.size();
      made.push_back(r);
      from = comma + 1;
    }
    return true;
  }

  static bool number(std::string_view text, std::size_t& value) {
    auto const* const end = text.data() + text.size();
    auto const [rest, failed] = std::from_chars(text.data(), end, value);
    return failed == std::errc{} && rest == end && text.size() <= 9;
  }

  std::string name() const {
    std::string made;
    for (auto const& p : parts_) {
      auto const digits = std::to_string(p.number);
      auto const width = p.ranges[p.at].width;
      made.append(p.text).append(digits.size() < width ? width - digits.size() : 0, '0').append(digits);
    }
    return made += tail_;
  }

  std::vector<part> parts_;
  std::string tail_;
  std::size_t count_ = 1;
};

}  // namespace gpuplace::topology
