#pragma once
/// @file
/// The concept of a step executor: it runs one step of a replica on its devices.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/batch.hpp>

#include <boost/asio/execution/executor.hpp>
#include <boost/asio/is_executor.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>

namespace gpuplace {

/// What an executor reserved at start.
struct executor_limits {
  std::int64_t slots = 0;          ///< sequences in flight
  std::int64_t kv_pages = 0;       ///< pages of the KV pool
  std::int64_t page_tokens = 16;   ///< tokens a page holds
  std::int64_t step_tokens = 0;    ///< most tokens in one batch
  std::int64_t context = 0;        ///< most tokens of one sequence
  std::int64_t steps = 1;          ///< in flight at once, which end in the order in which they began
  std::int64_t micro_batches = 0;  ///< steps over which running sequences are shared out; 0: as many as may be in flight

  friend bool operator==(executor_limits const&, executor_limits const&) = default;
};

/// Called once for every step, on the executor's own step context and never from within `async_step` itself: a step that
/// is done at once posts it, so that a chain of steps does not grow the stack.
using step_handler = std::function<void(result<step_outcome>)>;

template <class E>
concept has_limits = requires(E const& e) {
  { e.limits() } -> std::same_as<executor_limits>;
};

/// `e.get_executor()` is where steps run and complete, one at a time: a device's thread, or a virtual clock's loop.
/// The scheduler's state is touched there alone, so that no handler of a user can delay a device.
template <class E>
concept has_step_context = requires(E& e) {
  e.get_executor();
  requires boost::asio::is_executor<std::remove_cvref_t<decltype(e.get_executor())>>::value ||
               boost::asio::execution::is_executor<std::remove_cvref_t<decltype(e.get_executor())>>::value;
};

/// `e.async_step(batch, handler)` starts a step; the batch stays alive and unchanged until the handler runs. Calls come from
/// the step context, at most limits().steps before the first of them has ended; steps end in the order in which they began,
/// and each sees what those before it have stored. A failed step gives an error: errc::device_lost ends the executor, after any other
/// the rows of that step are released and the next step may come.
template <class E>
concept has_async_step = requires(E& e, batch const& b, step_handler handler) {
  { e.async_step(b, std::move(handler)) } -> std::same_as<void>;
};

/// What happens to sequences between steps, called on the step context: `fork` copies the pages of what slot `from` holds
/// for a second continuation in slot `to`, but for those that are the same in both tables, which the two then share and do
/// not write; `truncate` leaves the first `length` tokens of a slot, fewer than `step_tokens` less than it held; `release`
/// ends a sequence.
/// A slot starts at position 0 when it is first used and after `release`.
template <class E>
concept has_sequence_edits = requires(E& e, slot_id slot, std::span<page_id const> pages, std::int64_t length) {
  { e.fork(slot, slot, pages, pages) } -> std::same_as<result<void>>;
  { e.truncate(slot, length) } -> std::same_as<void>;
  { e.release(slot) } -> std::same_as<void>;
};

/// Runs one step of a replica: many sequences in, their sampled tokens out. Only tokens cross to the host.
/// The destructor waits for what runs on the step context; a step still in flight is dropped or ends, and nothing runs after.
template <class E>
concept step_executor = has_limits<E> && has_step_context<E> && has_async_step<E> && has_sequence_edits<E> && std::movable<E>;

/// True, or a compile error that says what to write.
template <class E>
consteval bool check_step_executor() {
  static_assert(std::movable<E>, "a step executor must be movable: an instance takes it over");
  static_assert(has_limits<E>, "a step executor needs:  gpuplace::executor_limits limits() const;");
  static_assert(has_step_context<E>,
                "a step executor needs:  auto get_executor(); the Asio executor on which steps run one at a time");
  static_assert(has_async_step<E>, "a step executor needs:  void async_step(gpuplace::batch const&, gpuplace::step_handler);");
  static_assert(has_sequence_edits<E>,
                "a step executor needs:  result<void> fork(slot_id from, slot_id to, std::span<page_id const> from_pages, "
                "std::span<page_id const> to_pages);  void truncate(slot_id, std::int64_t length);  void release(slot_id);");
  return step_executor<E>;
}

}  // namespace gpuplace
