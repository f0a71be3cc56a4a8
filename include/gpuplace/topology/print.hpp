#pragma once
/// @file
/// A device group as people read it: its devices, and the matrix they know from nvidia-smi.

#include <algorithm>
#include <array>
#include <cstdio>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <string>
#include <vector>

namespace gpuplace::topology {

/// Up to so many devices the matrix of paths is printed.
inline constexpr std::size_t most_printed_pairs_of = 32;

namespace detail {

/// Rows of cells with the columns lined up; the columns in `right` are flush right.
inline std::string lined_up(std::vector<std::vector<std::string>> const& rows, std::vector<bool> const& right = {}) {
  std::vector<std::size_t> width;
  for (auto const& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == width.size()) width.push_back(0);
      width[c] = std::max(width[c], row[c].size());
    }
  std::string text;
  for (auto const& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      std::string const blank(width[c] - row[c].size(), ' ');
      bool const flush = c < right.size() && right[c];
      line.append(c == 0 ? "" : "  ").append(flush ? blank + row[c] : row[c] + blank);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

inline std::string rounded(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 100 ? "%.1f" : "%.0f", value);
  return text.data();
}

/// Who holds memory of which device, a line each.
inline std::string owner_lines(device_group const& group) {
  std::vector<std::vector<std::string>> rows;
  for (auto const& d : group)
    for (auto const& owner : d.owners)
      rows.push_back({"in use: " + to_string(d.id), "pid " + std::to_string(owner.pid), owner.name.empty() ? "?" : owner.name,
                      owner.used.count() > 0 ? to_string(owner.used) : ""});
  return lined_up(rows, {false, false, false, true});
}

/// What each kind of path that occurs gives: bandwidth and latency, nearest first.
inline std::string legend(device_group const& group) {
  std::vector<path> kinds;
  for (std::size_t i = 0; i < group.size(); ++i)
    for (std::size_t j = i + 1; j < group.size(); ++j)
      if (auto const p = group.path(i, j); std::ranges::find(kinds, p) == kinds.end()) kinds.push_back(p);
  std::ranges::stable_sort(
      kinds, [](path const& a, path const& b) { return a.kind != b.kind ? a.kind < b.kind : a.bandwidth > b.bandwidth; });
  std::vector<std::vector<std::string>> rows;
  for (auto const& p : kinds) {
    if (p.kind == path_kind::none) rows.push_back({p.label(), "no way"});
    else
      rows.push_back({p.label(), rounded(p.bandwidth.value()) + " GB/s", rounded(p.latency.count()) + " us",
                      p.staged ? "through host memory" : ""});
  }
  return lined_up(rows, {false, true, true});
}

}  // namespace detail

/// The devices of `group` with memory and place; up to `most_printed_pairs_of` of them, the matrix of paths and its legend too.
inline std::string to_table(device_group const& group) {
  bool const live = std::ranges::any_of(group, [](device const& d) { return d.free.has_value(); });
  bool const cores = std::ranges::any_of(group, [](device const& d) { return d.cores > 0; });
  std::vector<std::vector<std::string>> rows{{"device", "name", "memory"}};
  if (live) rows[0].push_back("free");
  rows[0].insert(rows[0].end(), {"GB/s", "TFLOP/s", "numa"});
  if (cores) rows[0].push_back("cores");
  std::vector<std::string> notes;
  for (auto const& d : group) {
    auto& row = rows.emplace_back(std::vector<std::string>{to_string(d.id), d.name, to_string(d.capacity)});
    if (live) row.push_back(d.free ? to_string(*d.free) : "");
    auto const known = [](double value) { return value > 0 ? detail::rounded(value) : std::string("-"); };
    row.insert(row.end(),
               {known(d.memory_bandwidth.value()), known(d.peak_bf16.value()), d.numa < 0 ? "-" : std::to_string(d.numa)});
    if (cores) row.push_back(std::to_string(d.cores));
    if (!d.note.empty() && std::ranges::find(notes, d.note) == notes.end()) notes.push_back(d.note);
  }
  auto text = detail::lined_up(rows, {false, false, true, true, true, true, true, true});
  text += detail::owner_lines(group);
  for (auto const& note : notes) text += "note: " + note + '\n';
  if (group.size() < 2 || group.size() > most_printed_pairs_of) return text;

  std::vector<std::vector<std::string>> matrix{{""}};
  for (auto const& d : group) matrix[0].push_back(to_string(d.id));
  for (std::size_t i = 0; i < group.size(); ++i) {
    auto& row = matrix.emplace_back(std::vector<std::string>{to_string(group[i].id)});
    for (std::size_t j = 0; j < group.size(); ++j) row.push_back(group.path(i, j).label());
  }
  return text + '\n' + detail::lined_up(matrix) + '\n' + detail::legend(group);
}

}  // namespace gpuplace::topology
