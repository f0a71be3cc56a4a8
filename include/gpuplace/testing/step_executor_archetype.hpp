#pragma once
/// @file
/// The least that a step executor may be.

#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>

#include <memory>
#include <span>
#include <utility>

namespace gpuplace::testing {

/// Offers what `step_executor` asks for and nothing more: no default constructor, no copies. Every token is 0.
class archetype_step_executor {
public:
  static archetype_step_executor make() { return archetype_step_executor(0); }
  archetype_step_executor(archetype_step_executor&&) = default;
  archetype_step_executor& operator=(archetype_step_executor&&) = default;

  executor_limits limits() const { return {.slots = 4, .kv_pages = 64, .page_tokens = 16, .step_tokens = 128, .context = 256}; }
  boost::asio::system_executor get_executor() { return {}; }
  void async_step(batch const& work, step_handler handler) {
    step_outcome outcome;
    for (auto const& row : work.rows) outcome.tokens.resize(outcome.tokens.size() + static_cast<std::size_t>(row.samples));
    boost::asio::post(get_executor(), [handler = std::move(handler), outcome = std::move(outcome)] { handler(outcome); });
  }
  result<void> fork(slot_id, slot_id, std::span<page_id const>, std::span<page_id const>) { return {}; }
  void truncate(slot_id, std::int64_t) {}
  void release(slot_id) {}

private:
  explicit archetype_step_executor(int) {}
};
static_assert(check_step_executor<archetype_step_executor>());

}  // namespace gpuplace::testing
