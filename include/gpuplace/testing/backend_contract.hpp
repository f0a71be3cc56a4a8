#pragma once
/// @file
/// Contract tests of execution backends: a ladder that a backend climbs up to the level it declares.

#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/allocation/one_group.hpp>
#include <gpuplace/placement/partition/even.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/routing/round_robin.hpp>
#include <gpuplace/runtime/deployment.hpp>
#include <gpuplace/testing/contract.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// What the ladder climbs with.
struct backend_contract_settings {
  boost::asio::io_context* loop = nullptr;     ///< where handlers run; a simulated backend's clock runs on it too
  device_group devices;                        ///< for level 3 and up; level 4 needs two
  workload work;                               ///< one model that fits on one of the devices; context of at least 64
  std::function<void(device_id const&)> lose;  ///< takes a device away, for level 5; empty: that clause is left out
  std::chrono::seconds patience{120};          ///< no clause may take longer
};

namespace detail {

template <execution_backend B>
class backend_contract {
public:
  backend_contract(B backend, backend_contract_settings const& with) : backend_(std::move(backend)), with_(with) {}

  result<void> climb(backend_level to) {
    GPUPLACE_CHECK(constructs());
    if (to >= backend_level::discovers) GPUPLACE_CHECK(discovers());
    if (to >= backend_level::runs_one_device) GPUPLACE_CHECK(runs_one_device());
    if (to >= backend_level::runs_many_devices) GPUPLACE_CHECK(runs_many_devices());
    if (to >= backend_level::survives_failure) GPUPLACE_CHECK(survives_failure());
    return {};
  }

private:
  using answers = std::vector<result<generation>>;

  static error fault(int level, std::string what, std::string remedy = {}) {
    return broken("backend contract, level " + std::to_string(level), std::move(what), std::move(remedy));
  }

  result<void> constructs() const {
    B const copy = backend_;
    if (std::string_view(copy.name).empty()) return fault(1, "the name is empty");
    auto const takes = copy.memory();
    if (takes.base() < bytes{0} || takes.per_step_token < bytes{0} || takes.granularity < bytes{1})
      return fault(1, "the memory profile has a negative part, or a granularity below one byte");
    return {};
  }

  /// The backend finds the devices it is asked for, and says so where there are none.
  result<void> discovers() const {
    auto made = plan_for(1, false);
    GPUPLACE_CHECK(made);
    for (auto& s : made->models[0].replicas[0].stages) s.device = {device_kind::cuda, 99999, "nowhere"};
    auto const whole = std::make_shared<plan const>(*std::move(made));
    auto const started = backend_.start({whole, 0, 0, with_.work.models[0].model, with_.devices});
    if (started) return fault(2, "a replica started on a device that does not exist", "check each stage's device in start()");
    if (started.error().message().find("99999") == std::string::npos)
      return fault(2, "the error does not name the device that is missing");
    return {};
  }

  result<void> runs_one_device() {
    GPUPLACE_TRY(auto const first, run(1, false, requests(3)));
    GPUPLACE_CHECK(sound(3, first));
    GPUPLACE_TRY(auto const again, run(1, false, requests(3)));
    GPUPLACE_CHECK(same(3, first, again, "a second run"));
    one_device_ = first;
    return refuses_too_long();
  }

  result<void> refuses_too_long() {
    auto all = requests(1);
    all[0].prompt.assign(static_cast<std::size_t>(with_.work.models[0].load.context), 1);
    GPUPLACE_TRY(auto const got, run(1, false, all));
    if (got[0]) return fault(3, "a prompt as long as the context was answered");
    return {};
  }

  /// Copies of the model, and one model over several devices, give the tokens of one device.
  result<void> runs_many_devices() {
    if (with_.devices.size() < 2) return fault(4, "the settings have one device", "give at least two");
    GPUPLACE_TRY(auto const copies, run(2, false, requests(3)));
    GPUPLACE_CHECK(same(4, one_device_, copies, "two replicas"));
    for (std::size_t i = 0; i < copies.size(); ++i)
      if (copies[i]->instance != i % 2) return fault(4, "request " + std::to_string(i) + " does not say which instance ran it");
    GPUPLACE_TRY(auto const split, run(2, true, requests(3)));
    return same(4, one_device_, split, "a model over two devices");
  }

  result<void> survives_failure() {
    GPUPLACE_CHECK(cancels());
    GPUPLACE_CHECK(ends_early());
    return with_.lose ? reports_a_lost_device() : result<void>{};
  }

  /// One request is cancelled by its first token, which is how a time-out ends one too; the other is not disturbed.
  result<void> cancels() {
    GPUPLACE_TRY(auto one, started(1, false));
    auto all = requests(2);
    all[0].max_tokens = with_.work.models[0].load.context;
    int ends = 0;
    std::optional<result<generation>> stopped, other;
    cancel_function cancel;
    cancel = one.start(
        all[0], with_.loop->get_executor(), [&](std::span<token_id const>) { cancel(); },
        [&](result<generation> g) { stopped = std::move(g), ++ends; });
    auto const unused =
        one.start(all[1], with_.loop->get_executor(), {}, [&](result<generation> g) { other = std::move(g), ++ends; });
    GPUPLACE_CHECK(wait(5, [&] { return ends == 2; }));
    if (!*stopped) return fault(5, "a cancelled request ended with an error: " + stopped->error().message());
    auto const reached = (*stopped)->prompt_tokens + static_cast<std::int64_t>((*stopped)->tokens.size());
    if ((*stopped)->reason != finish_reason::cancelled && reached < all[0].max_tokens)  // a fast device may be done first
      return fault(5, "a cancelled request does not say finish_reason::cancelled");
    if (!*other || (*other)->tokens != one_device_[1]->tokens) return fault(5, "cancelling one request changed another");
    cancel();
    return {};
  }

  /// The end of an instance ends its requests, each handler once.
  result<void> ends_early() {
    int ends = 0;
    {
      GPUPLACE_TRY(auto one, started(1, false));
      for (auto& r : requests(4)) {
        r.max_tokens = with_.work.models[0].load.context;
        (void)one.start(std::move(r), with_.loop->get_executor(), {}, [&](result<generation>) { ++ends; });
      }
    }
    GPUPLACE_CHECK(wait(5, [&] { return ends >= 4; }));
    return ends == 4 ? result<void>{} : fault(5, "a handler ran twice when its instance ended");
  }

  result<void> reports_a_lost_device() {
    GPUPLACE_TRY(auto one, started(1, false));
    std::optional<result<generation>> ended;
    auto request = requests(1)[0];
    request.max_tokens = with_.work.models[0].load.context;
    bool lost = false;
    auto const unused = one.start(
        request, with_.loop->get_executor(),
        [&](std::span<token_id const>) {
          if (!std::exchange(lost, true)) with_.lose(with_.devices[0].id);
        },
        [&](result<generation> g) { ended = std::move(g); });
    GPUPLACE_CHECK(wait(5, [&] { return ended.has_value(); }));
    if (*ended || ended->error().code != errc::device_lost)
      return fault(5, "a request on a lost device did not end with errc::device_lost");
    if (one.load().available) return fault(5, "an instance whose device is lost says that it is available");
    return {};
  }

  // ---- helpers

  result<plan> plan_for(std::size_t devices, bool split) const {
    auto const view = with_.devices.slice(0, devices);
    place_options const options{backend_.memory()};
    if (split) return place(view, with_.work, one_group{}, even{}, options);
    return place(view, with_.work, data_parallel{devices}, whole{}, options);
  }

  result<typename B::instance> started(std::size_t devices, bool split) const {
    GPUPLACE_TRY(auto made, plan_for(devices, split));
    return backend_.start({std::make_shared<plan const>(std::move(made)), 0, 0, with_.work.models[0].model, with_.devices});
  }

  std::vector<generation_request> requests(std::size_t count) const {
    std::vector<generation_request> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t t = 0; t < 5 + 7 * i; ++t) all[i].prompt.push_back(static_cast<token_id>(3 + (i * 13 + t * 5) % 90));
      all[i].index = i;
      all[i].max_tokens = 12;
    }
    return all;
  }

  result<void> wait(int level, std::function<bool()> done) const {
    auto const until = std::chrono::steady_clock::now() + with_.patience;
    with_.loop->restart();
    while (!done()) {
      with_.loop->run_one_for(std::chrono::milliseconds(50));
      if (with_.loop->stopped()) with_.loop->restart();
      if (std::chrono::steady_clock::now() > until)
        return fault(level, "no answer within " + std::to_string(with_.patience.count()) + " s");
    }
    return {};
  }

  result<answers> run(std::size_t devices, bool split, std::vector<generation_request> all) {
    fleet f{*with_.loop, plan_for(devices, split), with_.devices, with_.work, round_robin{}, backend_};
    std::optional<result<void>> ready;
    std::optional<answers> got;
    f.async_start([&](result<void> r) {
      ready = r;
      if (r) f.async_generate_all(std::move(all), {}, [&](answers a) { got = std::move(a); });
    });
    GPUPLACE_CHECK(wait(3, [&] { return got.has_value() || (ready && !*ready); }));
    if (!*ready) return ready->error();
    return *std::move(got);
  }

  result<void> sound(int level, answers const& got) const {
    auto const vocabulary = with_.work.models[0].model.config.vocabulary;
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!got[i]) return got[i].error();
      if (got[i]->tokens.size() != 12 || got[i]->reason != finish_reason::length)
        return fault(level, "12 tokens were asked for, " + std::to_string(got[i]->tokens.size()) + " came");
      if (got[i]->prompt_tokens != static_cast<std::int64_t>(5 + 7 * i))
        return fault(level, "prompt_tokens is not the prompt's length");
      for (auto const t : got[i]->tokens)
        if (t < 0 || (vocabulary > 0 && t >= vocabulary))
          return fault(level, "token " + std::to_string(t) + " is not in the vocabulary");
    }
    return {};
  }

  static result<void> same(int level, answers const& expected, answers const& got, std::string const& what) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (!got[i]) return got[i].error();
      if (got[i]->tokens != expected[i]->tokens) return fault(level, what + " gives other tokens for request " + std::to_string(i));
    }
    return {};
  }

  B backend_;
  backend_contract_settings const& with_;
  answers one_device_;
};

}  // namespace detail

/// Climbs the ladder up to `to`: 1 constructs; 2 discovers; 3 runs a one-device plan; 4 many devices; 5 cancels, times out,
/// reports a lost device. Exact in tokens: give it a model in fp32, or a backend that promises as much for its format.
/// It runs `settings.loop` itself.
template <execution_backend B>
result<void> check_backend(B backend, backend_contract_settings const& settings, std::optional<backend_level> to = {}) {
  auto const level = to.value_or(backend.level);
  return detail::backend_contract<B>(std::move(backend), settings).climb(level);
}

}  // namespace gpuplace::testing
