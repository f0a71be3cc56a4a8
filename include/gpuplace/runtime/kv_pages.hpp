#pragma once
/// @file
/// Hands out the pages of an executor's KV pool.

#include <gpuplace/runtime/batch.hpp>

#include <cassert>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

namespace gpuplace {

/// So many pages hold `tokens`.
constexpr std::int64_t pages_for(std::int64_t tokens, std::int64_t page_tokens) { return (tokens + page_tokens - 1) / page_tokens; }

/// The free pages of a pool. Knows numbers alone, no memory: the pages themselves lie on the executor's devices.
/// A page may have several holders, which all read it and none writes it; it is free when the last one gives it back.
/// The page given back last is taken first, so a small load touches few pages.
/// Complexity: O(1) for each page, without allocation
class kv_pages {
public:
  explicit kv_pages(std::int64_t count) : free_(static_cast<std::size_t>(count)), holders_(static_cast<std::size_t>(count), 0) {
    std::iota(free_.rbegin(), free_.rend(), page_id{0});
  }

  std::int64_t size() const { return static_cast<std::int64_t>(holders_.size()); }
  std::int64_t free() const { return static_cast<std::int64_t>(free_.size()); }

  /// A page that nobody holds; none when the pool is used up.
  std::optional<page_id> take() {
    if (free_.empty()) return std::nullopt;
    auto const page = free_.back();
    free_.pop_back();
    holders_[static_cast<std::size_t>(page)] = 1;
    return page;
  }

  /// One more holder of a page that is taken.
  void share(page_id page) {
    assert(holders_[static_cast<std::size_t>(page)] > 0 && "a page is taken before it is shared");
    ++holders_[static_cast<std::size_t>(page)];
  }

  void give_back(page_id page) {
    assert(holders_[static_cast<std::size_t>(page)] > 0 && "each holder gives a page back once");
    if (--holders_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);
  }
  void give_back(std::span<page_id const> pages) {
    for (auto const page : pages) give_back(page);
  }

private:
  std::vector<page_id> free_;
  std::vector<std::int32_t> holders_;
};

}  // namespace gpuplace
