#pragma once
/// @file
/// A device group as people read it: its devices, and the matrix they know from nvidia-smi.

#include <algorithm>
#include <array>
#include <cstdio>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// Up to so many devices the matrix of paths is printed.
inline constexpr std::size_t most_printed_pairs_of = 32;

/// Up to so many devices each has a line; of more, a line says what the hosts of one kind have.
inline constexpr std::size_t most_printed_devices = 256;

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

/// One path as the legend has it.
inline std::vector<std::string> legend_row(path const& p) {
  if (p.kind == path_kind::none) return {p.label(), "no way"};
  return {p.label(), rounded(p.bandwidth.value()) + " GB/s", rounded(p.latency.count()) + " us",
          p.staged ? "through host memory" : ""};
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
  for (auto const& p : kinds) rows.push_back(legend_row(p));
  return lined_up(rows, {false, true, true});
}

/// Hosts that follow each other and have the same devices.
struct like_hosts {
  std::string first{}, last{};
  std::size_t hosts = 0;
  std::vector<std::pair<std::size_t, device const*>> cards{};  ///< how many, and one of them

  bool has_the_cards_of(like_hosts const& other) const {
    return std::ranges::equal(cards, other.cards, [](auto const& a, auto const& b) {
      return a.first == b.first && a.second->name == b.second->name && a.second->capacity == b.second->capacity;
    });
  }
};

inline std::vector<like_hosts> hosts_by_kind(device_group const& group) {
  std::vector<like_hosts> kinds;
  for (std::size_t i = 0; i < group.size();) {
    like_hosts one{.first = group[i].id.host, .last = group[i].id.host, .hosts = 1};
    for (; i < group.size() && group[i].id.host == one.first; ++i) {
      auto const same = [&](device const& d) { return d.name == group[i].name && d.capacity == group[i].capacity; };
      if (!one.cards.empty() && same(*one.cards.back().second)) ++one.cards.back().first;
      else one.cards.emplace_back(1, &group[i]);
    }
    if (kinds.empty() || !kinds.back().has_the_cards_of(one)) kinds.push_back(std::move(one));
    else kinds.back().last = one.last, ++kinds.back().hosts;
  }
  return kinds;
}

/// A large group in a few lines: its hosts by kind, and how far the others are from the first device.
inline std::string summary(device_group const& group) {
  auto const kinds = hosts_by_kind(group);
  std::size_t hosts = 0;
  std::vector<std::vector<std::string>> rows{{"hosts", "", "devices", "name", "memory", "GB/s", "TFLOP/s"}};
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    auto const& kind = kinds[k];
    hosts += kind.hosts;
    if (k >= most_printed_pairs_of) continue;
    for (std::size_t c = 0; c < kind.cards.size() && c < most_printed_pairs_of; ++c) {
      auto const& [count, d] = kind.cards[c];
      auto const which = kind.hosts == 1 ? kind.first : kind.first + " to " + kind.last;
      rows.push_back({c == 0 ? std::to_string(kind.hosts) : "", c == 0 ? which : "", std::to_string(count), d->name,
                      to_string(d->capacity), rounded(d->memory_bandwidth.value()), rounded(d->peak_bf16.value())});
    }
  }
  auto text = std::to_string(group.size()) + " devices, hosts: " + std::to_string(hosts) + "\n\n" +
              lined_up(rows, {true, false, true, false, true, true, true});
  if (kinds.size() > most_printed_pairs_of)
    text += "and " + std::to_string(kinds.size() - most_printed_pairs_of) + " more kinds of hosts\n";
  std::vector<std::pair<path, std::size_t>> ways;
  for (std::size_t i = 1; i < group.size(); ++i) {
    auto const p = group.path(0, i);
    auto const at = std::ranges::find(ways, p, &std::pair<path, std::size_t>::first);
    if (at != ways.end()) ++at->second;
    else ways.emplace_back(p, 1);
  }
  std::ranges::stable_sort(ways, [](auto const& a, auto const& b) {
    return a.first.kind != b.first.kind ? a.first.kind < b.first.kind : a.first.bandwidth > b.first.bandwidth;
  });
  std::vector<std::vector<std::string>> legend;
  for (auto const& [p, count] : ways) {
    legend.push_back(legend_row(p));
    legend.back().insert(legend.back().begin(), std::to_string(count));
  }
  return text + "\nfrom " + to_string(group[0].id) + " to\n" + lined_up(legend, {true, false, true, true});
}

}  // namespace detail

/// The devices of `group` with memory and place; up to `most_printed_pairs_of` of them, the matrix of paths and its legend too. Of
/// more than `most_printed_devices` only what hosts of one kind have, and how far the others are from the first.
inline std::string to_table(device_group const& group) {
  if (group.size() > most_printed_devices) return detail::summary(group);
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
