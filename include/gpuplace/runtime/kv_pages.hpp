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
/// The page given back last is taken first, so a small load touches few pages.
/// Complexity: O(1) for each page, without allocation
class kv_pages {
public:
  explicit kv_pages(std::int64_t count) : free_(static_cast<std::size_t>(count)), taken_(static_cast<std::size_t>(count), false) {
    std::iota(free_.rbegin(), free_.rend(), page_id{0});
  }

  std::int64_t size() const { return static_cast<std::int64_t>(taken_.size()); }
  std::int64_t free() const { return static_cast<std::int64_t>(free_.size()); }

  /// A page that nobody holds; none when the pool is used up.
  std::optional<page_id> take() {
    if (free_.empty()) return std::nullopt;
    auto const page = free_.back();
    free_.pop_back();
    taken_[static_cast<std::size_t>(page)] = true;
    return page;
  }

  void give_back(page_id page) {
    assert(taken_[static_cast<std::size_t>(page)] && "a page is given back once");
    taken_[static_cast<std::size_t>(page)] = false;
    free_.push_back(page);
  }
  void give_back(std::span<page_id const> pages) {
    for (auto const page : pages) give_back(page);
  }

private:
  std::vector<page_id> free_;
  std::vector<bool> taken_;
};

}  // namespace gpuplace
