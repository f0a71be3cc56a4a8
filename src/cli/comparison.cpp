#include "comparison.hpp"

#include <gpuplace/core/quantity_text.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace gpuplace::cli {

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

namespace {

result<placement_row> measure_pairing(pairing strategies, registries const& known, machine const& on, workload const& work,
                                      int times) {
  GPUPLACE_TRY(auto const allocation, known.allocations.make(strategies.allocation));
  GPUPLACE_TRY(auto const partition, known.partitions.make(strategies.partition));
  placement_row row{std::move(strategies), std::nullopt, {}, 0};
  auto made = make_plan(on, work, allocation, partition);
  if (made) row.made = *std::move(made);
  else row.refusal = made.error().what;
  // The best of several: what the machine does besides is not the planner's.
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

double share_of(planned_device const& d) {
  return d.capacity_bytes > bytes{0} ? static_cast<double>(d.used_bytes.count()) / static_cast<double>(d.capacity_bytes.count())
                                     : 0;
}

// How full the fullest device is.
double fullest(plan const& made) {
  double most = 0;
  for (auto const& d : made.devices) most = std::max(most, share_of(d));
  return most;
}

bytes largest(plan const& made) {
  bytes most;
  for (auto const& d : made.devices) most = std::max(most, d.used_bytes);
  return most;
}

// The least that is left on a device in use.
bytes least_room(plan const& made) {
  std::optional<bytes> least;
  for (auto const& d : made.devices) {
    auto const room = d.capacity_bytes - d.used_bytes;
    if (d.used_bytes > bytes{0} && (!least || room < *least)) least = room;
  }
  return least.value_or(bytes{});
}

// Hops of a step, of all replicas together.
std::size_t hops_of(plan const& made) {
  std::size_t count = 0;
  for (auto const& m : made.models)
    for (auto const& r : m.replicas) count += r.stages.size() - 1;
  return count;
}

double tokens_per_second(plan const& made) { return made.predicted.empty() ? 0 : made.predicted.front().tokens_per_second; }

}  // namespace

void print_placements(std::vector<placement_row> const& rows) {
  std::size_t width = 10;
  for (auto const& r : rows) width = std::max(width, r.strategies.label().size());
  fmt::print("  {:<{}}{:>10}{:>9}{:>6}{:>11}{:>13}{:>11}{:>11}{:>9}{:>12}{:>11}\n", "strategies", width, "replicas", "devices",
             "hops", "tokens/s", "decode step", "prompt", "largest", "fullest", "least room", "planning");
  for (auto const& r : rows) {
    if (!r.made) {
      fmt::print("  {:<{}}  {}\n", r.strategies.label(), width, r.refusal);
      continue;
    }
    bool const best = tokens_per_second(*r.made) > 0 && tokens_per_second(*r.made) == tokens_per_second(*rows.front().made);
    auto const& p = r.made->predicted.front();
    fmt::print("{} {:<{}}{:>10}{:>9}{:>6}{:>11.1f}{:>10.2f} ms{:>9.3f} s{:>11}{:>7.0f} %{:>12}{:>8.0f} us\n", best ? "*" : " ",
               r.strategies.label(), width, replicas_of(*r.made), devices_of(*r.made), hops_of(*r.made), p.tokens_per_second,
               1e3 * p.decode_step.count(), p.prefill.count(), to_string(largest(*r.made)), 100 * fullest(*r.made),
               to_string(least_room(*r.made)), r.microseconds);
  }
}

void print_placements_json(planning_options const& options, std::vector<placement_row> const& rows) {
  nlohmann::ordered_json all{{"topology", options.topology}, {"models", options.models}};
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
      row["largest_bytes"] = largest(*r.made).count();
      row["least_room_bytes"] = least_room(*r.made).count();
      row["hops"] = hops_of(*r.made);
    }
    all["rows"].push_back(std::move(row));
  }
  fmt::print("{}\n", all.dump(2));
}

result<std::vector<placement_row>> compare_placements(std::vector<pairing> pairings, registries const& known, machine const& on,
                                                      workload const& work, int times) {
  std::vector<placement_row> rows;
  for (auto& one : pairings) {
    GPUPLACE_TRY(auto row, measure_pairing(std::move(one), known, on, work, times));
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, std::greater{}, [](placement_row const& r) { return r.made ? tokens_per_second(*r.made) : -1; });
  return rows;
}

}  // namespace gpuplace::cli
