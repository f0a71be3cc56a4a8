// gpuplace bench scaling: the same batch on 1…N devices.

#include "../backends.hpp"
#include "../percentile.hpp"
#include "../planning.hpp"
#include "bench.hpp"
#include "measure.hpp"

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/place.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <numeric>
#include <optional>
#include <string_view>

namespace gpuplace::cli {

namespace {

struct scaling_options {
  planning_options planning;
  synthetic_options requests;
  std::vector<std::size_t> devices;
  std::size_t group = 1;
  bool batched_only = false;
  std::string routing = "contiguous_shards";
  std::string backend;
  std::string format = "text";
};

struct scaling_row {
  std::size_t devices = 0;
  bool batched = true;
  measurement figures;
  std::optional<measurement> predicted;  // of the same requests on the same plan; none where all is predicted
};

constexpr std::string_view predictor = "simulated";
constexpr std::size_t default_batch = 16;
// One prompt at a time takes long: a part of the prompts gives the same rate.
constexpr std::size_t unbatched_part = 8;

result<std::vector<std::size_t>> counts_of(scaling_options const& options, std::size_t available) {
  if (options.group < 1 || options.group > available)
    return error{errc::invalid_argument,
                 fmt::format("a replica cannot have {} of {} devices", options.group, available),
                 "--devices-per-replica",
                 {}};
  auto counts = options.devices;
  if (counts.empty())
    for (auto n = options.group; n <= available; n += options.group) counts.push_back(n);
  for (auto const n : counts)
    if (n < 1 || n > available || n % options.group != 0)
      return error{errc::invalid_argument,
                   fmt::format("{} devices cannot be used: {} are visible, {} make a replica", n, available, options.group),
                   "--devices", "leave it out for every number that can"};
  return counts;
}

// The requests on a plan, with the backend of that name.
result<measurement> try_out(scaling_options const& options, std::string const& backend_name, plan placed, device_group const& view,
                            workload const& work, synthetic_requests const& requests) {
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const known_backends, backends(*options.planning.known, loop));
  GPUPLACE_TRY(auto backend, known_backends.make(backend_name));
  GPUPLACE_TRY(auto router, options.planning.known->routings.make(options.routing));
  return measure(loop, {std::move(placed), view, work, std::move(router), std::move(backend)}, requests);
}

result<memory_profile> memory_of(scaling_options const& options) {
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const known_backends, backends(*options.planning.known, loop));
  GPUPLACE_TRY(auto const backend, known_backends.make(options.backend));
  return backend.memory();
}

result<scaling_row> measure_devices(scaling_options const& options, machine const& on, workload work, std::size_t devices,
                                    bool batched) {
  std::vector<std::size_t> first(devices);
  std::iota(first.begin(), first.end(), std::size_t{0});
  auto const view = on.view.subset(first);
  if (!batched) work.models.front().load.sequences = 1;
  GPUPLACE_TRY(auto const memory, memory_of(options));
  GPUPLACE_TRY(auto const partition, open_partition(options.planning));
  GPUPLACE_TRY(auto const placed, place(view, work, data_parallel{devices / options.group}, partition, place_options{memory}));
  GPUPLACE_TRY(auto requests, open_synthetic(options.requests, work.models.front().model.config.vocabulary));
  if (!batched) requests.count = std::max<std::size_t>(1, requests.count / unbatched_part);
  fmt::print(stderr, "measuring {} {}{}\n", devices, devices == 1 ? "device" : "devices", batched ? "" : ", one prompt at a time");
  scaling_row row{.devices = devices, .batched = batched, .figures = {}, .predicted = {}};
  GPUPLACE_TRY(row.figures, try_out(options, options.backend, placed, view, work, requests));
  if (options.backend == predictor) return row;
  GPUPLACE_TRY(row.predicted, try_out(options, std::string(predictor), placed, view, work, requests));
  return row;
}

double base_rate(std::vector<scaling_row> const& rows) {
  auto const base = std::ranges::find(rows, true, &scaling_row::batched);
  return base->figures.tokens_per_second() / static_cast<double>(base->devices);
}

std::string bar(double speed_up, double ideal) {
  constexpr double width = 24;
  auto const filled = static_cast<int>(width * std::min(speed_up, ideal) / ideal + 0.5);
  std::string text;
  for (int i = 0; i < static_cast<int>(width); ++i) text += i < filled ? "█" : "░";
  return text;
}

void print_text(std::vector<scaling_row> const& rows, std::size_t group) {
  auto const base = base_rate(rows) * static_cast<double>(group);
  auto const most = static_cast<double>(rows.back().devices) / static_cast<double>(group);
  bool const measured = rows.front().predicted.has_value();
  fmt::print("{:<20}{:>12}{:>11}{}{:>10}{:>12}{:>13}{:>9}{:>16}\n", "devices", "prompts/min", "tokens/s",
             measured ? fmt::format("{:>11}", "predicted") : "", "speed-up", "efficiency", "first token", "at work",
             "sequences/step");
  for (auto const& [devices, batched, figures, predicted] : rows) {
    auto const speed_up = figures.tokens_per_second() / base;
    auto const efficiency =
        batched ? fmt::format("{:.0f} %", 100 * speed_up * static_cast<double>(group) / static_cast<double>(devices)) : "";
    fmt::print("{:<20}{:>12.1f}{:>11.1f}{}{:>9.2f}x{:>12}{:>11.2f} s{:>7.0f} %{:>16.1f}  {}\n",
               batched ? std::to_string(devices) : fmt::format("{}, one at a time", devices), figures.requests_per_minute(),
               figures.tokens_per_second(), predicted ? fmt::format("{:>11.1f}", predicted->tokens_per_second()) : "", speed_up,
               efficiency, percentile(figures.first_token, 0.5), 100 * figures.at_work(), figures.sequences_per_step(),
               bar(speed_up, most));
  }
}

void print_json(scaling_options const& options, model_description const& model, std::vector<scaling_row> const& rows) {
  auto const base = base_rate(rows) * static_cast<double>(options.group);
  nlohmann::ordered_json all{{"model", model.name},
                             {"dtype", gpuplace::to_string(model.type)},
                             {"backend", options.backend},
                             {"routing", options.routing},
                             {"topology", options.planning.topology},
                             {"requests", options.requests.requests},
                             {"prompt_tokens", options.requests.prompt_tokens},
                             {"answer_tokens", options.requests.answer_tokens}};
  for (auto const& [devices, batched, figures, predicted] : rows) {
    auto const speed_up = figures.tokens_per_second() / base;
    all["rows"].push_back({{"devices", devices},
                           {"batched", batched},
                           {"requests", figures.requests},
                           {"seconds", figures.span},
                           {"loading_seconds", figures.loading},
                           {"requests_per_minute", figures.requests_per_minute()},
                           {"tokens_per_second", figures.tokens_per_second()},
                           {"speed_up", speed_up},
                           {"efficiency", speed_up * static_cast<double>(options.group) / static_cast<double>(devices)},
                           {"first_token_seconds", percentile(figures.first_token, 0.5)},
                           {"at_work", figures.at_work()},
                           {"sequences_per_step", figures.sequences_per_step()}});
    if (predicted) all["rows"].back()["predicted_tokens_per_second"] = predicted->tokens_per_second();
  }
  fmt::print("{}\n", all.dump(2));
}

result<void> bench_scaling(scaling_options options) {
  if (options.group == 1) options.planning.partition = "whole";
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning, static_cast<std::int64_t>(default_batch)));
  if (work.models.size() != 1) return error{errc::unsupported, "one model can be measured at a time", "--model", "name it once"};
  GPUPLACE_TRY(auto const counts, counts_of(options, on.view.size()));
  std::vector<scaling_row> rows;
  if (!options.batched_only) {
    GPUPLACE_TRY(auto one_at_a_time, measure_devices(options, on, work, counts.front(), false));
    rows.push_back(std::move(one_at_a_time));
  }
  for (auto const n : counts) {
    GPUPLACE_TRY(auto row, measure_devices(options, on, work, n, true));
    rows.push_back(std::move(row));
  }
  auto const& model = work.models.front().model;
  if (options.format == "json") {
    print_json(options, model, rows);
    return {};
  }
  fmt::print("{} ({}), {} prompts of {} tokens, answers of {}, at most {} sequences a replica, {}\n\n", model.name,
             gpuplace::to_string(model.type), options.requests.requests, options.requests.prompt_tokens,
             options.requests.answer_tokens, work.models.front().load.sequences,
             options.backend == predictor ? "simulated" : "measured by " + options.backend);
  print_text(rows, options.group);
  return {};
}

}  // namespace

void add_bench_scaling(CLI::App& bench, action& chosen) {
  auto options = std::make_shared<scaling_options>();
  options->backend = GPUPLACE_HAVE_TORCH ? "torch" : "simulated";
  auto* const command =
      bench.add_subcommand("scaling", "The same batch on 1 to N devices: what parallelism gives, and what batching");
  command->footer(
      "Examples:\n"
      "  gpuplace bench scaling --model DIR --topology cpu:2\n"
      "  gpuplace bench scaling --model preset:qwen3-8b --topology preset:4xa100 --backend simulated --answer-tokens 256:2048\n"
      "Every row answers the same prompts; the first one at a time on one device, for the worth of batching.");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  add_synthetic_options(*command, options->requests);
  command->add_option("--devices", options->devices, "Numbers of devices (default: all from 1 to the visible ones)")
      ->delimiter(',')
      ->type_name("N,…");
  command->add_option("--devices-per-replica", options->group, "Devices that share a copy of the model, by --partition")
      ->capture_default_str();
  command->add_flag("--batched-only", options->batched_only, "Leave out the row of one prompt at a time, which takes long");
  command->add_option("--routing", options->routing, "Which replica takes a prompt")->type_name("SPEC")->capture_default_str();
  command->add_option("--backend", options->backend, "torch, or simulated (times without devices)")
      ->type_name("SPEC")
      ->capture_default_str();
  command->add_option("--format", options->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return finish(bench_scaling(*options)); }; });
}

}  // namespace gpuplace::cli
