#pragma once
/// @file
/// A router's answer: one instance, or shares of a request with a rule that merges their results.

#include <array>
#include <cassert>
#include <cstddef>
#include <span>

namespace gpuplace {

/// A part of a request for one instance.
struct share {
  std::size_t instance = 0;
  double weight = 1;  ///< of the whole request; the weights of a decision sum to 1

  friend bool operator==(share const&, share const&) = default;
};

/// What becomes of the answers when several instances take part.
enum class merge_rule {
  only,         ///< there is one answer
  first,        ///< the first to finish wins, the others are cancelled
  concatenate,  ///< the parts in order
};

/// Which instance takes a request. Holds its shares in place: routing allocates nothing.
class decision {
public:
  static constexpr std::size_t max_shares = 8;

  /// No instance can take the request now.
  static constexpr decision none() { return decision{}; }
  static constexpr decision to(std::size_t instance) {
    decision d;
    d.add({instance, 1.0});
    return d;
  }
  constexpr explicit decision(merge_rule rule) : rule_(rule) {}

  constexpr void add(share s) {
    assert(size_ < max_shares);
    shares_[size_++] = s;
  }
  constexpr explicit operator bool() const { return size_ > 0; }
  constexpr std::size_t instance() const { return shares_[0].instance; }
  constexpr std::span<share const> shares() const { return {shares_.data(), size_}; }
  constexpr merge_rule rule() const { return rule_; }

private:
  constexpr decision() = default;
  std::array<share, max_shares> shares_{};
  std::size_t size_ = 0;
  merge_rule rule_ = merge_rule::only;
};

}  // namespace gpuplace
