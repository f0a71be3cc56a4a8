#pragma once
/// @file
/// An atomic number that moves with its owner: routers are movable, and count while many threads route.

#include <atomic>
#include <cstddef>

namespace gpuplace::detail {

/// Threads:    load, store and add from any thread; a move while others use either side is a race, as for any object
class movable_atomic {
public:
  movable_atomic() = default;
  movable_atomic(movable_atomic&& other) noexcept : value_(other.load()) {}
  movable_atomic& operator=(movable_atomic&& other) noexcept {
    store(other.load());
    return *this;
  }

  std::size_t load() const noexcept { return value_.load(std::memory_order_relaxed); }
  void store(std::size_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  /// The value before `n` was added.
  std::size_t add(std::size_t n) noexcept { return value_.fetch_add(n, std::memory_order_relaxed); }

private:
  std::atomic<std::size_t> value_{0};
};

}  // namespace gpuplace::detail
