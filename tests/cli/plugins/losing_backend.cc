// A plugin for the command's tests: --backend 'losing(DEVICE,STEPS)' runs every replica until those on DEVICE have taken STEPS
// steps; from then on that device is lost. An answer repeats its prompt, whichever replica gives it.
// 'losing(DEVICE,STEPS,memory)' runs out of memory in the one step after those, and goes on.

#include <gpuplace/plugin.hpp>
#include <gpuplace/runtime.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace {

using namespace gpuplace;

/// Steps left before a device fails; shared by the replicas that use it.
struct device_fault {
  std::atomic<std::int64_t> left;
  bool of_memory;

  std::optional<error> next(std::string const& device) {
    auto const now = left.fetch_sub(1);
    if (of_memory && now == 0) return error{errc::does_not_fit, "memory ran out", "step on " + device, "lower --max-num-seqs"};
    if (!of_memory && now <= 0) return error{errc::device_lost, "the device fell off the bus", device, {}};
    return std::nullopt;
  }
};
using steps_left = std::shared_ptr<device_fault>;

class repeating_executor {
public:
  repeating_executor(executor_limits const& limits, std::string device, steps_left left)
      : state_(std::make_unique<state>(limits, std::move(device), std::move(left))) {}

  executor_limits limits() const { return state_->limits; }
  auto get_executor() { return state_->thread.get_executor(); }

  void async_step(batch const& work, step_handler handler) {
    state_->timer.expires_after(std::chrono::milliseconds(2));  // long enough that every replica has prompts in flight
    state_->timer.async_wait([s = state_.get(), &work, handler = std::move(handler)](boost::system::error_code) {
      if (auto why = s->left ? s->left->next(s->device) : std::nullopt) return handler(*std::move(why));
      step_outcome outcome;
      for (auto const& row : work.rows) s->run(row, outcome.tokens);
      handler(std::move(outcome));
    });
  }

  result<void> fork(slot_id from, slot_id to, std::span<page_id const>, std::span<page_id const>) {
    state_->seen[to] = state_->seen[from];
    return {};
  }
  void truncate(slot_id slot, std::int64_t length) { state_->seen[slot].resize(static_cast<std::size_t>(length)); }
  void release(slot_id slot) { state_->seen.erase(slot); }

private:
  struct state {
    state(executor_limits const& l, std::string d, steps_left s) : limits(l), device(std::move(d)), left(std::move(s)) {}
    ~state() {
      thread.stop();
      thread.join();
    }
    void run(batch_row const& row, std::vector<token_id>& sampled) {
      auto& tokens = seen[row.slot];
      auto const silent = static_cast<std::int64_t>(row.tokens.size()) - row.samples;
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(row.tokens.size()); ++i) {
        tokens.push_back(row.tokens[static_cast<std::size_t>(i)]);
        if (i >= silent) sampled.push_back(tokens[tokens.size() / 2]);
      }
    }
    executor_limits limits;
    std::string device;
    steps_left left;
    std::unordered_map<slot_id, std::vector<token_id>> seen;
    boost::asio::thread_pool thread{1};
    boost::asio::steady_timer timer{thread};
  };
  std::unique_ptr<state> state_;
};
static_assert(check_step_executor<repeating_executor>());

struct losing_backend {
  using instance = step_instance<repeating_executor>;
  static constexpr std::string_view name = "losing";
  static constexpr backend_level level = backend_level::survives_failure;

  device_id lost;
  steps_left left;

  memory_profile memory() const { return {}; }
  result<instance> start(replica_start const& what) const {
    auto const& model = what.whole->models[what.model];
    auto const& placed = model.replicas[what.replica];
    GPUPLACE_TRY(auto const limits, limits_of(model, placed, what.description));
    bool const uses = std::any_of(placed.stages.begin(), placed.stages.end(), [&](auto const& s) { return s.device == lost; });
    return instance(repeating_executor(limits, to_string(lost), uses ? left : nullptr));
  }
};
static_assert(check_execution_backend<losing_backend>());

result<any_backend> make(spec const& asked) {
  GPUPLACE_TRY(auto const device, asked.text(0));
  GPUPLACE_TRY(auto const steps, asked.integer(1, 0));
  GPUPLACE_TRY(auto const lost, parse_device_id(device));
  bool const of_memory = asked.find(2) != nullptr;
  return any_backend(losing_backend{lost, std::make_shared<device_fault>(steps, of_memory)});
}

result<void> add(registries& to) {
  return to.backends.add("losing", "losing(DEVICE,STEPS[,memory])", "repeats prompts, and loses a device", make);
}

}  // namespace

extern "C" plugin_entry gpuplace_plugin() { return plugin_of<&add>(); }
