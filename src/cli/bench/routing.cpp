// gpuplace bench routing: the same requests through different routers, on a virtual clock.

#include "../percentile.hpp"
#include "../planning.hpp"
#include "bench.hpp"
#include "measure.hpp"

#include <gpuplace/simulation/simulated_backend.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <memory>

namespace gpuplace::cli {

namespace {

struct routing_options {
  planning_options planning;
  synthetic_options requests;
  std::vector<std::string> strategies;
  double rate = 0;
  std::string format = "text";
};

struct routing_row {
  std::string label;
  measurement figures;
  double nanoseconds = 0;  // of one decision
};

constexpr std::int64_t default_batch = 64;

// The most loaded replica against the mean: 1 is even.
double imbalance(measurement const& figures) {
  auto const most = static_cast<double>(*std::ranges::max_element(figures.tokens_of));
  return most * static_cast<double>(figures.tokens_of.size()) / static_cast<double>(std::max<std::size_t>(1, figures.tokens));
}

// The time of one decision, on the machine's own clock.
double time_decisions(any_routing router, std::size_t replicas, synthetic_requests const& requests) {
  constexpr std::size_t decisions = 100000;
  std::vector<instance_load> loads(replicas);
  for (std::size_t i = 0; i < replicas; ++i) loads[i].running = static_cast<std::int64_t>(i * 7 % 5);
  auto const prompt = requests(0).prompt;
  router.begin(decisions);
  std::size_t none = 0;
  auto const began = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < decisions; ++i) {
    routing_request asked;
    asked.index = i;
    asked.prompt_tokens = prompt.size();
    asked.prompt = prompt;
    none += !router.route(asked, fleet_view(loads));
  }
  std::chrono::duration<double, std::nano> const took = std::chrono::steady_clock::now() - began;
  return none == decisions ? 0 : took.count() / static_cast<double>(decisions);
}

result<routing_row> measure_router(std::string const& name, routing_options const& options, machine const& on, workload const& work,
                                   plan const& placed) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  auto const& known = options.planning.known->routings;
  GPUPLACE_TRY(auto router, known.make(name));
  GPUPLACE_TRY(auto timed, known.make(name));
  GPUPLACE_TRY(auto const requests, open_synthetic(options.requests, work.models.front().model.config.vocabulary));
  arrivals const when{options.rate, [&clock](seconds delay, std::function<void()> what) { clock.after(delay, std::move(what)); },
                      options.requests.seed};
  auto label = router.label;
  GPUPLACE_TRY(auto figures,
               measure(loop, {placed, on.view, work, std::move(router), any_backend(simulated_backend{clock})}, requests, when));
  return routing_row{std::move(label), std::move(figures),
                     time_decisions(std::move(timed), placed.models.front().replicas.size(), requests)};
}

void print_text(std::vector<routing_row> const& rows) {
  std::size_t width = 8;
  for (auto const& r : rows) width = std::max(width, r.label.size());
  fmt::print("{:<{}}{:>12}{:>11}{:>20}{:>20}{:>12}{:>13}\n", "router", width, "seconds", "tokens/s", "first token 50/95 %",
             "answer 50/95 %", "imbalance", "ns/decision");
  for (auto const& [label, f, decision] : rows)
    fmt::print("{:<{}}{:>12.2f}{:>11.0f}{:>20}{:>20}{:>12.2f}{:>13.0f}\n", label, width, f.span, f.tokens_per_second(),
               fmt::format("{:.3f} / {:.3f} s", percentile(f.first_token, 0.5), percentile(f.first_token, 0.95)),
               fmt::format("{:.2f} / {:.2f} s", percentile(f.latency, 0.5), percentile(f.latency, 0.95)), imbalance(f), decision);
}

void print_json(routing_options const& options, std::vector<routing_row> const& rows) {
  nlohmann::ordered_json all{{"topology", options.planning.topology},
                             {"requests", options.requests.requests},
                             {"rate_per_second", options.rate},
                             {"prompt_tokens", options.requests.prompt_tokens},
                             {"answer_tokens", options.requests.answer_tokens}};
  for (auto const& [label, f, decision] : rows)
    all["rows"].push_back(
        {{"router", label},
         {"seconds", f.span},
         {"tokens_per_second", f.tokens_per_second()},
         {"first_token_seconds", {{"p50", percentile(f.first_token, 0.5)}, {"p95", percentile(f.first_token, 0.95)}}},
         {"answer_seconds", {{"p50", percentile(f.latency, 0.5)}, {"p95", percentile(f.latency, 0.95)}}},
         {"imbalance", imbalance(f)},
         {"nanoseconds_per_decision", decision}});
  fmt::print("{}\n", all.dump(2));
}

result<void> bench_routing(routing_options options) {
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning, default_batch));
  if (work.models.size() != 1) return error{errc::unsupported, "one model can be measured at a time", "--model", "name it once"};
  GPUPLACE_TRY(auto const allocation, open_allocation(options.planning));
  GPUPLACE_TRY(auto const partition, open_partition(options.planning));
  GPUPLACE_TRY(auto const placed, make_plan(on, work, allocation, partition));
  if (options.strategies.empty())
    for (auto const& known : options.planning.known->routings.entries()) options.strategies.push_back(known.name);
  std::vector<routing_row> rows;
  for (auto const& name : options.strategies) {
    GPUPLACE_TRY(auto row, measure_router(name, options, on, work, placed));
    rows.push_back(std::move(row));
  }
  if (options.format == "json") {
    print_json(options, rows);
    return {};
  }
  fmt::print("{} on {} replicas, simulated: {} requests {}, prompts of {} tokens, answers of {}\n\n",
             work.models.front().model.name, placed.models.front().replicas.size(), options.requests.requests,
             options.rate > 0 ? fmt::format("at {} a second", options.rate) : "at once", options.requests.prompt_tokens,
             options.requests.answer_tokens);
  print_text(rows);
  return {};
}

}  // namespace

void add_bench_routing(CLI::App& bench, action& chosen) {
  auto options = std::make_shared<routing_options>();
  options->requests = {.requests = 1000, .prompt_tokens = "16:512", .answer_tokens = "16:512", .seed = 0};
  auto* const command = bench.add_subcommand("routing", "The same requests through each router, on a virtual clock");
  command->footer(
      "Examples:\n"
      "  gpuplace bench routing --model preset:qwen3-8b --topology preset:dgx-h100 --allocation 'data_parallel(8)'\n"
      "  gpuplace bench routing --strategy round_robin --strategy least_loaded --rate 20 --model preset:qwen3-8b --topology "
      "preset:8xrtx3060\n"
      "Without --strategy every registered router takes part. Nothing is loaded: steps take what the cost model says.");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  add_synthetic_options(*command, options->requests);
  command->add_option("--strategy", options->strategies, "A router; may be given several times")->type_name("SPEC");
  command->add_option("--rate", options->rate, "Requests a second, at random times; 0: all at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--format", options->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return finish(bench_routing(*options)); }; });
}

}  // namespace gpuplace::cli
