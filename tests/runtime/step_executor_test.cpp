#include <gpuplace/testing/executor_contract.hpp>
#include <gpuplace/testing/paged_executor.hpp>
#include <gpuplace/testing/step_executor_archetype.hpp>

#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

using namespace gpuplace;
using gpuplace::testing::paged_executor;

namespace {

struct without_limits : gpuplace::testing::archetype_step_executor {
  void limits() const;
};
struct without_context : gpuplace::testing::archetype_step_executor {
  int get_executor();
};
struct without_steps : gpuplace::testing::archetype_step_executor {
  void async_step(batch const&);
};
struct without_fork : gpuplace::testing::archetype_step_executor {
  void fork(slot_id, slot_id, std::span<page_id const>, std::span<page_id const>);
};
struct immovable : gpuplace::testing::archetype_step_executor {
  immovable(immovable&&) = delete;
};
static_assert(!step_executor<without_limits> && !step_executor<without_context> && !step_executor<without_steps>);
static_assert(!step_executor<without_fork> && !step_executor<immovable>);

constexpr executor_limits limits{.slots = 4, .kv_pages = 80, .page_tokens = 4, .step_tokens = 128, .context = 64};

paged_executor executor_on(boost::asio::thread_pool& thread) { return {thread.get_executor(), limits, 256}; }

/// Executors with one fault each: the contract must find it.
struct forgets_to_copy : paged_executor {
  using paged_executor::paged_executor;
  result<void> fork(slot_id from, slot_id to, std::span<page_id const>, std::span<page_id const> pages) {
    return paged_executor::fork(from, to, pages, pages);
  }
};
struct ignores_truncate : paged_executor {
  using paged_executor::paged_executor;
  void truncate(slot_id, std::int64_t) {}
};
struct ignores_release : paged_executor {
  using paged_executor::paged_executor;
  void release(slot_id) {}
};
struct sees_the_batch : paged_executor {
  using paged_executor::paged_executor;
  void async_step(batch const& work, step_handler handler) {
    paged_executor::async_step(work, [handler, rows = work.rows.size()](result<step_outcome> r) {
      if (r)
        for (auto& t : r->tokens) t = (t + static_cast<token_id>(rows)) % 256;
      handler(std::move(r));
    });
  }
};
struct calls_inline : paged_executor {
  using paged_executor::paged_executor;
  void async_step(batch const& work, step_handler handler) { handler(step(work)); }
};

template <class E>
std::string fault_of() {
  boost::asio::thread_pool thread(1);
  E executor(thread.get_executor(), limits, 256);
  auto const checked = gpuplace::testing::check_executor(executor);
  return checked ? "" : checked.error().message();
}

}  // namespace

TEST(executor_contract, holds_for_the_reference) {
  boost::asio::thread_pool thread(1);
  auto executor = executor_on(thread);
  auto const checked = gpuplace::testing::check_executor(executor);
  EXPECT_TRUE(checked) << checked.error();
}

TEST(executor_contract, finds_each_fault) {
  EXPECT_NE(fault_of<forgets_to_copy>().find("the second of a fork"), std::string::npos) << fault_of<forgets_to_copy>();
  EXPECT_FALSE(fault_of<ignores_truncate>().empty());
  EXPECT_FALSE(fault_of<ignores_release>().empty());
  EXPECT_NE(fault_of<sees_the_batch>().find("in a batch with others"), std::string::npos) << fault_of<sees_the_batch>();
  EXPECT_NE(fault_of<calls_inline>().find("within async_step"), std::string::npos) << fault_of<calls_inline>();
}

TEST(executor_contract, says_which_limit_is_too_small) {
  boost::asio::thread_pool thread(1);
  auto small = limits;
  small.kv_pages = 10;
  paged_executor executor(thread.get_executor(), small, 256);
  EXPECT_NE(gpuplace::testing::check_executor(executor).error().what.find("kv_pages is 10"), std::string::npos);
}
