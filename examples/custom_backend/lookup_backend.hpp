// A backend of one's own: an engine that continues a text by what followed the same token before.
#pragma once
#include <gpuplace/runtime.hpp>

#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <memory>
#include <unordered_map>

// [executor]
/// Runs one step at a time on a thread of its own. The engine keeps a sequence's tokens by slot; it has no weights.
class lookup_executor {
public:
  explicit lookup_executor(gpuplace::executor_limits const& limits) : state_(std::make_unique<state>(limits)) {}

  gpuplace::executor_limits limits() const { return state_->limits; }
  auto get_executor() { return state_->device.get_executor(); }

  void async_step(gpuplace::batch const& work, gpuplace::step_handler handler) {
    boost::asio::post(get_executor(), [s = state_.get(), &work, handler = std::move(handler)] {
      gpuplace::step_outcome outcome;
      auto const began = gpuplace::steady_seconds();
      for (auto const& row : work.rows) s->run(row, outcome.tokens);
      outcome.device_time = gpuplace::steady_seconds() - began;
      handler(std::move(outcome));
    });
  }

  gpuplace::result<void> fork(gpuplace::slot_id from, gpuplace::slot_id to, std::span<gpuplace::page_id const>,
                              std::span<gpuplace::page_id const>) {
    state_->seen[to] = state_->seen[from];
    return {};
  }
  void truncate(gpuplace::slot_id slot, std::int64_t length) { state_->seen[slot].resize(static_cast<std::size_t>(length)); }
  void release(gpuplace::slot_id slot) { state_->seen.erase(slot); }

private:
  struct state {
    explicit state(gpuplace::executor_limits const& l) : limits(l) {}
    ~state() { device.join(); }

    void run(gpuplace::batch_row const& row, std::vector<gpuplace::token_id>& sampled) {
      auto& tokens = seen[row.slot];
      auto const silent = static_cast<std::int64_t>(row.tokens.size()) - row.samples;
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(row.tokens.size()); ++i) {
        tokens.push_back(row.tokens[static_cast<std::size_t>(i)]);
        if (i >= silent) sampled.push_back(next(tokens));
      }
    }
    /// What followed the last token where it stood before; the first token where it is new.
    static gpuplace::token_id next(std::vector<gpuplace::token_id> const& tokens) {
      auto const before = std::find(tokens.rbegin() + 1, tokens.rend(), tokens.back());
      return before == tokens.rend() ? tokens.front() : *(before - 1);
    }

    gpuplace::executor_limits limits;
    std::unordered_map<gpuplace::slot_id, std::vector<gpuplace::token_id>> seen;
    boost::asio::thread_pool device{1};
  };
  std::unique_ptr<state> state_;
};
static_assert(gpuplace::check_step_executor<lookup_executor>());
// [executor]

// [backend]
/// Starts replicas of that engine. Batching, streaming, cancelling and the load that routers look at come with step_instance.
struct lookup_backend {
  using instance = gpuplace::step_instance<lookup_executor>;
  static constexpr std::string_view name = "lookup";
  static constexpr gpuplace::backend_level level = gpuplace::backend_level::runs_many_devices;

  gpuplace::memory_profile memory() const { return {}; }

  gpuplace::result<instance> start(gpuplace::replica_start const& what) const {
    auto const& model = what.whole->models[what.model];
    auto const& placed = model.replicas[what.replica];
    for (auto const& stage : placed.stages)
      if (!what.devices.find(stage.device))
        return gpuplace::error{gpuplace::errc::not_found, "there is no such device", to_string(stage.device),
                               "plan for this machine"};
    GPUPLACE_TRY(auto const limits, limits_of(model, placed, what.description));
    return instance(lookup_executor(limits));
  }
};
static_assert(gpuplace::check_execution_backend<lookup_backend>());
// [backend]
