// gpuplace bench placement: what strategies plan for one workload, and how long they take.

#include "../planning.hpp"
#include "bench.hpp"

#include <gpuplace/plugin/registries.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>

namespace gpuplace::cli {

namespace {

struct placement_options {
  planning_options planning;
  std::vector<std::string> strategies;
  std::string format = "text";
};

// An allocation and a partition, by their specs.
struct pairing {
  std::string allocation;
  std::string partition;

  std::string label() const { return allocation + "/" + partition; }
};

struct placement_row {
  pairing strategies;
  std::optional<plan> made;
  std::string refusal;      // why there is none
  double microseconds = 0;  // of one planning
};

// "data_parallel(2)/even", or one of both: the options say the other.
result<pairing> parse_pairing(std::string const& text, planning_options const& planning) {
  if (auto const slash = text.find('/'); slash != text.npos) return pairing{text.substr(0, slash), text.substr(slash + 1)};
  GPUPLACE_TRY(auto const asked, parse_spec(text));
  auto const& known = *planning.known;
  if (known.partitions.find(asked.name) != nullptr) return pairing{planning.allocation, text};
  if (known.allocations.find(asked.name) != nullptr) return pairing{text, planning.partition};
  return error{errc::not_found, "there is no allocation and no partition '" + asked.name + "'", "--strategy",
               "write ALLOCATION/PARTITION, or one of them; known allocations are:\n" + known.allocations.help() +
                   "known partitions are:\n" + known.partitions.help()};
}

// Every registered pair that needs no arguments.
std::vector<pairing> all_pairings(registries const& known) {
  std::vector<pairing> all;
  auto const plain = [](auto const& entry) { return entry.usage == entry.name; };
  for (auto const& a : known.allocations.entries())
    for (auto const& p : known.partitions.entries())
      if (plain(a) && plain(p)) all.push_back({a.name, p.name});
  return all;
}

result<placement_row> measure_pairing(pairing strategies, registries const& known, machine const& on, workload const& work) {
  GPUPLACE_TRY(auto const allocation, known.allocations.make(strategies.allocation));
  GPUPLACE_TRY(auto const partition, known.partitions.make(strategies.partition));
  placement_row row{std::move(strategies), std::nullopt, {}, 0};
  auto made = make_plan(on, work, allocation, partition);
  if (made) row.made = *std::move(made);
  else row.refusal = made.error().what;
  // The best of several: what the machine does besides is not the planner's.
  constexpr int times = 20;
  for (int i = 0; i < times; ++i) {
    auto const began = std::chrono::steady_clock::now();
    auto const again = make_plan(on, work, allocation, partition);
    std::chrono::duration<double, std::micro> const took = std::chrono::steady_clock::now() - began;
    row.microseconds = i == 0 ? took.count() : std::min(row.microseconds, took.count());
  }
  return row;
}

std::size_t replicas_of(plan const& made) {
  std::size_t count = 0;
  for (auto const& m : made.models) count += m.replicas.size();
  return count;
}

std::size_t devices_of(plan const& made) {
  return static_cast<std::size_t>(std::ranges::count_if(made.devices, [](auto const& d) { return d.used_bytes > bytes{0}; }));
}

// How full the fullest device is.
double fullest(plan const& made) {
  double most = 0;
  for (auto const& d : made.devices)
    if (d.capacity_bytes > bytes{0})
      most = std::max(most, static_cast<double>(d.used_bytes.count()) / static_cast<double>(d.capacity_bytes.count()));
  return most;
}

double tokens_per_second(plan const& made) { return made.predicted.empty() ? 0 : made.predicted.front().tokens_per_second; }

void print_text(std::vector<placement_row> const& rows) {
  std::size_t width = 10;
  for (auto const& r : rows) width = std::max(width, r.strategies.label().size());
  fmt::print("{:<{}}{:>10}{:>9}{:>11}{:>13}{:>13}{:>10}{:>11}\n", "strategies", width, "replicas", "devices", "tokens/s",
             "decode step", "prompt", "fullest", "planning");
  for (auto const& r : rows) {
    if (!r.made) {
      fmt::print("{:<{}}  {}\n", r.strategies.label(), width, r.refusal);
      continue;
    }
    auto const& p = r.made->predicted.front();
    fmt::print("{:<{}}{:>10}{:>9}{:>11.1f}{:>10.2f} ms{:>11.3f} s{:>8.0f} %{:>8.0f} us\n", r.strategies.label(), width,
               replicas_of(*r.made), devices_of(*r.made), p.tokens_per_second, 1e3 * p.decode_step.count(), p.prefill.count(),
               100 * fullest(*r.made), r.microseconds);
  }
}

void print_json(placement_options const& options, std::vector<placement_row> const& rows) {
  nlohmann::ordered_json all{{"topology", options.planning.topology}, {"models", options.planning.models}};
  for (auto const& r : rows) {
    nlohmann::ordered_json row{
        {"allocation", r.strategies.allocation}, {"partition", r.strategies.partition}, {"planning_microseconds", r.microseconds}};
    if (!r.made) {
      row["error"] = r.refusal;
    } else {
      auto const& p = r.made->predicted.front();
      row["replicas"] = replicas_of(*r.made);
      row["devices"] = devices_of(*r.made);
      row["tokens_per_second"] = p.tokens_per_second;
      row["decode_step_seconds"] = p.decode_step.count();
      row["prefill_seconds"] = p.prefill.count();
      row["fullest"] = fullest(*r.made);
    }
    all["rows"].push_back(std::move(row));
  }
  fmt::print("{}\n", all.dump(2));
}

result<void> bench_placement(placement_options const& options) {
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning));
  auto const& known = *options.planning.known;
  auto pairings = all_pairings(known);
  if (!options.strategies.empty()) {
    pairings.clear();
    for (auto const& text : options.strategies) {
      GPUPLACE_TRY(auto one, parse_pairing(text, options.planning));
      pairings.push_back(std::move(one));
    }
  }
  std::vector<placement_row> rows;
  for (auto& one : pairings) {
    GPUPLACE_TRY(auto row, measure_pairing(std::move(one), known, on, work));
    rows.push_back(std::move(row));
  }
  // The best first; what does not fit last.
  std::ranges::stable_sort(rows, std::greater{}, [](placement_row const& r) { return r.made ? tokens_per_second(*r.made) : -1; });
  if (options.format == "json") print_json(options, rows);
  else print_text(rows);
  return {};
}

}  // namespace

void add_bench_placement(CLI::App& bench, action& chosen) {
  auto options = std::make_shared<placement_options>();
  auto* const command =
      bench.add_subcommand("placement", "What strategies plan for one workload, the best first, and how long they take");
  command->footer(
      "Examples:\n"
      "  gpuplace bench placement --model preset:qwen2.5-72b --topology preset:dgx-h100\n"
      "  gpuplace bench placement --strategy 'data_parallel(2)/even' --strategy 'data_parallel(4)/even' --model preset:qwen2.5-32b "
      "--topology preset:dgx-h100\n"
      "Without --strategy every registered pair that needs no arguments takes part. Figures are the cost model's.");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  command->add_option("--strategy", options->strategies, "ALLOCATION/PARTITION, or one of them; may be given several times")
      ->type_name("SPEC");
  command->add_option("--format", options->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return finish(bench_placement(*options)); }; });
}

}  // namespace gpuplace::cli
