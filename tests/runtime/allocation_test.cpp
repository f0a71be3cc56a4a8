// Counts allocations of the whole program, which is why these tests stand in a file of their own.
#include <gpuplace/runtime/scheduler.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

using namespace gpuplace;

namespace {
std::atomic<std::size_t> allocation_count{0};
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

TEST(scheduler_allocation, none_in_a_step_once_warm) {
  scheduler s({.slots = 8, .kv_pages = 200, .page_tokens = 4, .step_tokens = 64, .context = 256});
  for (std::size_t i = 0; i < 8; ++i) {
    generation_request r;
    r.prompt.assign(20, 1);
    r.max_tokens = 90;
    ASSERT_TRUE(s.submit(std::move(r), seconds{0}));
  }
  std::size_t tokens = 0;
  auto const step = [&] {
    auto const* work = s.next_batch(seconds{0});
    s.drain_released([](slot_id) {});
    step_outcome outcome;
    for (auto const& row : work->rows) outcome.tokens.resize(outcome.tokens.size() + static_cast<std::size_t>(row.samples), 7);
    result<step_outcome> const done(std::move(outcome));
    auto const before = allocation_count.load();
    s.complete(done, seconds{0});
    s.drain_events([&](scheduler_event const& e) { tokens += e.tokens.size(); });
    return allocation_count.load() - before;
  };
  for (int i = 0; i < 5; ++i) step();
  std::size_t in_complete = 0;
  for (int i = 0; i < 60; ++i) in_complete += step();
  EXPECT_EQ(in_complete, 0U);
  auto const before = allocation_count.load();
  EXPECT_NE(s.next_batch(seconds{0}), nullptr);
  EXPECT_EQ(allocation_count.load() - before, 0U);
  EXPECT_GT(tokens, 8U * 60U);
}
