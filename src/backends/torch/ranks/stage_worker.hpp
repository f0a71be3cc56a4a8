#pragma once
/// @file
/// What a rank above 0 does for one replica: the steps that rank 0 orders.

#include "rank_group.hpp"
#include "step_messages.hpp"

#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

namespace gpuplace::torch_detail {

/// The next order; or what ended this part meanwhile.
inline result<order> next_order(rank_group& group, std::size_t replica, std::mutex& guard, std::optional<error> const& failed) {
  try {
    return decode_order(group.receive_message(0, order_tag(replica)));
  } catch (std::exception const&) {
    std::scoped_lock const hold(guard);
    if (failed) return *failed;
    throw;
  }
}

/// Carries out orders for a part of replica `replica` until rank 0 ends it. Steps are begun in their order and may overlap as the
/// executor has them.
/// @param answers  this part has the head: its outcomes go to rank 0
/// Errors:     errc::device_lost where rank 0 or a neighbour is gone, errc::malformed for a message that makes no sense
template <step_executor E>
result<void> run_orders(rank_group& group, std::size_t replica, E executor, bool answers) {
  try {
    group.post_message(0, answer_tag(replica), encode_answer(step_outcome{}));
    std::mutex guard;
    std::optional<error> failed;
    for (;;) {
      GPUPLACE_TRY(auto asked, next_order(group, replica, guard, failed));
      if (std::holds_alternative<end_order>(asked)) return {};
      if (auto const* fork = std::get_if<fork_order>(&asked)) {
        std::promise<result<void>> done;
        boost::asio::post(executor.get_executor(),
                          [&] { done.set_value(executor.fork(fork->from, fork->to, fork->from_pages, fork->to_pages)); });
        GPUPLACE_CHECK(done.get_future().get());
        continue;
      }
      auto const step = std::make_shared<owned_batch const>(std::get<owned_batch>(std::move(asked)));
      boost::asio::post(executor.get_executor(), [&, step] {
        executor.async_step(step->work, [&, step](result<step_outcome> outcome) {
          try {
            if (answers) group.post_message(0, answer_tag(replica), encode_answer(outcome));
          } catch (std::exception const& e) {
            outcome = error{errc::device_lost, e.what(), "ranks", {}};
          }
          if (outcome || outcome.error().code != errc::device_lost) return;
          std::scoped_lock const hold(guard);
          failed = outcome.error();
          group.stop_receiving(0, order_tag(replica));  // whoever waits for this rank hears of it when the process ends
        });
      });
    }
  } catch (std::exception const& e) {
    return error{errc::device_lost, e.what(), "ranks", "see that process's messages for why it ended"};
  }
}

/// Tells rank 0, which waits for it, why a part could not be loaded.
inline void say_why(rank_group& group, std::size_t replica, error const& why) {
  try {
    group.post_message(0, answer_tag(replica), encode_answer(why));
    group.flush(0, answer_tag(replica));
  } catch (std::exception const&) {
    return;
  }
}

}  // namespace gpuplace::torch_detail
