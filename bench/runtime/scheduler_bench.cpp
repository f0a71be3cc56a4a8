// Times what the runtime does on the host for each step: an executor whose steps take no time answers sequences that all decode.
//   scheduler_bench [ROWS [CONTEXT [STEPS]]]
// Prints one JSON object a line: the scheduler alone, an instance whose requests nobody reads before their end, and one whose
// tokens are read as they come, by another thread. Microseconds a step on the step context: the median of blocks of 100 steps.
#include <gpuplace/runtime/instance.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace gpuplace;
using clock_type = std::chrono::steady_clock;

double microseconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double, std::micro>(clock_type::now() - begin).count();
}

/// Microseconds of each 100 steps in which all rows decode.
struct step_times {
  std::vector<double> blocks;
  clock_type::time_point begin;
  std::int64_t steps = 0;
  std::size_t rows = 0;  ///< of a full step

  void count(batch const& work) {
    if (work.token_count() != static_cast<std::int64_t>(work.rows.size()) || work.rows.size() < rows) {
      steps = 0;
      return;
    }
    if (steps++ % 100 == 0) {
      if (steps > 1) blocks.push_back(microseconds_since(begin) / 100);
      begin = clock_type::now();
    }
  }
  double median() {
    if (blocks.empty()) return 0;
    std::ranges::nth_element(blocks, blocks.begin() + static_cast<std::ptrdiff_t>(blocks.size() / 2));
    return blocks[blocks.size() / 2];
  }
};

step_outcome answer(batch const& work) {
  step_outcome outcome;
  for (auto const& row : work.rows) outcome.tokens.insert(outcome.tokens.end(), static_cast<std::size_t>(row.samples), 7);
  return outcome;
}

/// Answers at once, from a thread of its own.
class instant_executor {
public:
  instant_executor(executor_limits const& limits, std::shared_ptr<step_times> times)
      : limits_(limits), times_(std::move(times)), thread_(std::make_unique<boost::asio::thread_pool>(1)) {}
  instant_executor(instant_executor&&) = default;
  instant_executor& operator=(instant_executor&&) = default;
  ~instant_executor() {
    if (!thread_) return;
    thread_->stop();
    thread_->join();
  }

  executor_limits limits() const { return limits_; }
  boost::asio::thread_pool::executor_type get_executor() const { return thread_->get_executor(); }
  void async_step(batch const& work, step_handler handler) {
    times_->count(work);
    boost::asio::post(*thread_, [&work, handler = std::move(handler)] { handler(answer(work)); });
  }
  result<void> fork(slot_id, slot_id, std::span<page_id const>, std::span<page_id const>) { return {}; }
  void truncate(slot_id, std::int64_t) {}
  void release(slot_id) {}

private:
  executor_limits limits_;
  std::shared_ptr<step_times> times_;
  std::unique_ptr<boost::asio::thread_pool> thread_;
};

generation_request request_of(std::size_t index, std::int64_t prompt, std::int64_t answer) {
  generation_request r;
  r.index = index;
  r.prompt.assign(static_cast<std::size_t>(prompt), 5);
  r.max_tokens = answer;
  r.end_tokens = {1, 2};
  r.how = {.temperature = 0.7, .top_p = 0.8, .top_k = 20, .repetition_penalty = 1.05};
  return r;
}

void print(char const* what, executor_limits const& limits, double time) {
  std::printf("{\"case\": \"%s\", \"rows\": %ld, \"context\": %ld, \"microseconds_a_step\": %.2f}\n", what,
              static_cast<long>(limits.slots), static_cast<long>(limits.context), time);
  std::fflush(stdout);
}

double scheduler_alone(executor_limits const& limits, std::int64_t prompt, std::int64_t steps) {
  scheduler tested(limits);
  for (std::size_t i = 0; i < static_cast<std::size_t>(limits.slots); ++i)
    if (auto const sent = tested.submit(request_of(i, prompt, steps), seconds{0}); !sent) std::abort();
  step_times times;
  times.rows = static_cast<std::size_t>(limits.slots);
  std::size_t told = 0;
  while (auto const* work = tested.next_batch(seconds{0})) {
    times.count(*work);
    tested.drain_released([](slot_id) {});
    tested.complete(answer(*work), seconds{0});
    tested.drain_events([&](scheduler_event& e) { told += e.tokens.size(); });
  }
  return told > 0 ? times.median() : 0;
}

double instance_of(executor_limits const& limits, std::int64_t prompt, std::int64_t steps, bool read) {
  auto const times = std::make_shared<step_times>();
  times->rows = static_cast<std::size_t>(limits.slots);
  boost::asio::io_context loop;
  step_instance instance(instant_executor(limits, times), steady_seconds, 1000);
  std::atomic<std::int64_t> running{limits.slots};
  std::int64_t seen = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(limits.slots); ++i)
    instance.start(
        request_of(i, prompt, steps), loop.get_executor(),
        read ? token_sink([&seen](token_piece piece) { seen += static_cast<std::int64_t>(piece.tokens.size()); }) : token_sink{},
        [&](result<generation> const& made) {
          if (!made) std::abort();
          --running;
        });
  auto const work = boost::asio::make_work_guard(loop);
  while (running > 0) loop.run_one();
  return times->median();
}

}  // namespace

int main(int argc, char** argv) {
  auto const argument = [&](int i, long otherwise) { return argc > i ? std::atol(argv[i]) : otherwise; };
  auto const rows = argument(1, 64), context = argument(2, 4096), steps = std::min(argument(3, 2000), context - 1);
  executor_limits const limits{.slots = rows,
                               .kv_pages = rows * pages_for(context, 16),
                               .page_tokens = 16,
                               .step_tokens = std::max<std::int64_t>(2048, rows),
                               .context = context};
  auto const prompt = context - steps;
  print("scheduler", limits, scheduler_alone(limits, prompt, steps));
  print("instance", limits, instance_of(limits, prompt, steps, false));
  print("instance, tokens read", limits, instance_of(limits, prompt, steps, true));
}
