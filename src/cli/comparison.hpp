#pragma once
// Strategies beside each other: what each plans for one workload, and how long that takes.

#include "planning.hpp"

#include <gpuplace/plugin/registries.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

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
result<pairing> parse_pairing(std::string const& text, planning_options const& planning);

// Every registered pair that needs no arguments.
std::vector<pairing> all_pairings(registries const& known);

// The plans of the pairings, the best first, what does not fit last.
// @param times  how often each is planned: the quickest counts
result<std::vector<placement_row>> compare_placements(std::vector<pairing> pairings, registries const& known, machine const& on,
                                                      workload const& work, int times);

void print_placements(std::vector<placement_row> const& rows);
void print_placements_json(planning_options const& options, std::vector<placement_row> const& rows);

}  // namespace gpuplace::cli
