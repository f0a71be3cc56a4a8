#include "measure.hpp"

#include <gpuplace/runtime/fleet.hpp>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

namespace gpuplace::cli {

namespace {

using fleet_type = fleet<any_routing, any_backend>;

result<void> start(fleet_type& served, boost::asio::io_context& loop) {
  result<void> outcome;
  served.async_start([&](result<void> r) { outcome = std::move(r); });
  loop.restart();
  loop.run();
  return outcome;
}

// A request that fails makes the figures worthless: the first such error ends the measurement.
struct gathered {
  measurement sums;
  std::optional<error> failed;

  void add(result<generation> const& g) {
    if (!g) {
      if (!failed) failed = g.error();
      return;
    }
    ++sums.requests;
    sums.tokens += g->tokens.size();
    sums.tokens_of[g->instance] += g->tokens.size();
    sums.first_token.push_back(g->first_token.count());
    sums.latency.push_back(g->total.count());
  }
};

void submit_at_once(fleet_type& served, synthetic_requests const& requests, gathered& into) {
  served.async_generate_from(
      {.count = requests.count, .read = [&requests](std::size_t i) { return result<generation_request>(requests(i)); }},
      {.on_tokens = {}, .on_result = [&into](std::size_t, result<generation> const& g) { into.add(g); }}, [](std::size_t) {});
}

void submit_in_time(fleet_type& served, synthetic_requests const& requests, arrivals const& when, gathered& into) {
  std::mt19937_64 draw(when.seed);
  std::exponential_distribution<double> gap(when.per_second);
  seconds at{0};
  for (std::size_t i = 0; i < requests.count; ++i, at += seconds{gap(draw)})
    when.after(at, [&, i] { served.async_generate(requests(i), {}, [&into](result<generation> g) { into.add(g); }); });
}

result<measurement> run(fleet_type& served, boost::asio::io_context& loop, std::size_t replicas, synthetic_requests const& requests,
                        arrivals const& when, clock_function const& now) {
  gathered all;
  all.sums.tokens_of.assign(replicas, 0);
  auto const before = served.statistics();
  auto const began = now();
  if (when.per_second > 0) submit_in_time(served, requests, when, all);
  else submit_at_once(served, requests, all);
  loop.restart();
  loop.run();
  if (all.failed) return *all.failed;
  all.sums.span = (now() - began).count();
  all.sums.did = served.statistics();
  for (std::size_t i = 0; i < all.sums.did.size(); ++i) {
    all.sums.did[i].steps -= before[i].steps;
    all.sums.did[i].rows -= before[i].rows;
    all.sums.did[i].tokens -= before[i].tokens;
    all.sums.did[i].busy -= before[i].busy;
  }
  return std::move(all.sums);
}

}  // namespace

double measurement::at_work() const {
  double busy = 0;
  for (auto const& d : did) busy += d.busy.count();
  return busy / span / static_cast<double>(did.size());
}

double measurement::sequences_per_step() const {
  std::int64_t rows = 0, steps = 0;
  for (auto const& d : did) rows += d.rows, steps += d.steps;
  return steps == 0 ? 0 : static_cast<double>(rows) / static_cast<double>(steps);
}

result<measurement> measure(boost::asio::io_context& loop, trial what, synthetic_requests const& requests, arrivals when) {
  auto const now = what.backend.time();
  auto const replicas = what.placed.models.front().replicas.size();
  auto const sequences = static_cast<std::size_t>(what.placed.models.front().batch);
  fleet_type served(loop, std::move(what.placed), std::move(what.view), std::move(what.work), std::move(what.router),
                    std::move(what.backend));
  auto const began = now();
  GPUPLACE_CHECK(start(served, loop));
  auto const loading = (now() - began).count();
  // The first step of each number of sequences is slow: memory is touched for the first time, and what repeats is recorded. As many
  // requests as run at once pass through all of these.
  auto warm_up = requests;
  warm_up.count = std::min(requests.count, std::max<std::size_t>(2, sequences) * replicas);
  warm_up.seed = requests.seed + 1;
  GPUPLACE_CHECK(run(served, loop, replicas, warm_up, {}, now));
  GPUPLACE_TRY(auto made, run(served, loop, replicas, requests, when, now));
  made.loading = loading;
  return made;
}

}  // namespace gpuplace::cli
