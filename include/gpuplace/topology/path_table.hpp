#pragma once
/// @file
/// The best path between every two devices of a graph, found when it is asked for: host by host, then over what joins the hosts.

#include <algorithm>
#include <cstddef>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/host_regions.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/ways.hpp>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// The best paths between a graph's devices. A path between two devices of one host stays in the host where it can; one between
/// two hosts leaves the one, crosses what belongs to neither, and enters the other: hosts do not forward for others. Among those
/// it is the widest, then the one with the least latency, as `best_paths` has it for the whole graph; with one host the two agree.
/// Threads:    const calls are safe on shared objects
class path_table {
public:
  /// Complexity: O(V + E)
  explicit path_table(graph g)
      : graph_(std::move(g)),
        regions_(graph_),
        rank_(graph_.devices().size()),
        rows_(std::make_unique<row[]>(graph_.devices().size())),
        hosts_(std::make_unique<host[]>(regions_.size())),
        crossings_(std::make_unique<crossing[]>(regions_.members(regions_.between()).size())) {
    for (std::size_t i = 0; i < rank_.size(); ++i) {
      auto& devices = hosts_[region_of(i)].devices;
      rank_[i] = devices.size();
      devices.push_back(i);
    }
  }

  /// The best path between devices `from` and `to`; the same in both directions.
  /// Complexity: in one host O(1) once the row of the lower number is there, O(H log H) for that row with H vertices in the host;
  ///             between hosts O(x²) for x exits of each, and what lies between the hosts is walked once for each exit
  path between(std::size_t from, std::size_t to) const {
    if (from == to) return path{.kind = path_kind::self};
    auto const [low, high] = std::minmax(from, to);
    path found;
    if (region_of(low) == region_of(high)) found = inside(low, high);
    if (found.kind == path_kind::none) found = across(low, high);
    auto const& devices = graph_.devices();
    return between_devices(found, devices[low].peer_to_peer && devices[high].peer_to_peer);
  }

  graph const& whole() const { return graph_; }

private:
  /// A way from a device to a place between the hosts.
  struct exit {
    std::size_t at = 0;
    path way;
  };
  struct row {
    std::once_flag inside_found, exits_found;
    std::vector<path> inside;  ///< to the devices of the host after this one
    std::vector<exit> exits;
  };
  struct host {
    std::once_flag laid;
    detail::arcs arcs;  ///< its vertices, then its exits
    std::vector<double> widths;
    std::vector<std::size_t> devices;
    std::vector<std::size_t> exits;
  };
  /// The ways from one place between the hosts to all where a host can be entered.
  struct crossing {
    std::once_flag found;
    std::vector<std::vector<path>> ways;
  };

  std::size_t region_of(std::size_t device) const { return regions_.of(graph_.device_vertices()[device]); }

  void lay(host& h, std::size_t region) const {
    auto const members = regions_.members(region);
    auto const exit_at = [&](std::size_t vertex) {
      auto const place = regions_.place(vertex);
      auto const known = std::ranges::find(h.exits, place);
      if (known == h.exits.end()) return h.exits.push_back(place), members.size() + h.exits.size() - 1;
      return members.size() + static_cast<std::size_t>(known - h.exits.begin());
    };
    for (auto const v : members) {
      h.arcs.begin_vertex(graph_[v].kind == vertex_kind::device);
      for (auto [e, end] = out_edges(v, graph_); e != end; ++e) {
        auto const to = target(*e, graph_);
        h.arcs.add(regions_.of(to) == region ? regions_.place(to) : exit_at(to), graph_[*e]);
      }
    }
    for (std::size_t i = 0; i < h.exits.size(); ++i) h.arcs.begin_vertex(true);
    h.arcs.finish();
    h.widths = h.arcs.widths();
  }

  host const& host_of(std::size_t device) const {
    auto const region = region_of(device);
    host& h = hosts_[region];
    std::call_once(h.laid, [&] { lay(h, region); });
    return h;
  }

  std::size_t place_of(std::size_t device) const { return regions_.place(graph_.device_vertices()[device]); }

  path inside(std::size_t low, std::size_t high) const {
    row& r = rows_[low];
    std::call_once(r.inside_found, [&] {
      auto const& h = host_of(low);
      std::vector<std::size_t> targets;
      for (auto i = rank_[low] + 1; i < h.devices.size(); ++i) targets.push_back(place_of(h.devices[i]));
      r.inside = detail::widest_ways(h.arcs, place_of(low), targets);
    });
    return r.inside[rank_[high] - rank_[low] - 1];
  }

  std::vector<exit> const& exits_of(std::size_t device) const {
    row& r = rows_[device];
    std::call_once(r.exits_found, [&] {
      auto const& h = host_of(device);
      std::vector<std::size_t> targets(h.exits.size());
      for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = h.arcs.size() - h.exits.size() + i;
      auto const ways = detail::unbeaten_ways(h.arcs, h.widths, place_of(device), targets);
      for (std::size_t i = 0; i < ways.size(); ++i)
        for (auto const& way : ways[i]) r.exits.push_back({h.exits[i], way});
    });
    return r.exits;
  }

  void lay_middle() const {
    auto const here = regions_.between();
    auto const members = regions_.members(here);
    for (std::size_t i = 0; i < members.size(); ++i) {
      bool entered = false;
      middle_.arcs.begin_vertex(false);
      for (auto [e, end] = out_edges(members[i], graph_); e != end; ++e) {
        auto const to = target(*e, graph_);
        if (regions_.of(to) == here) middle_.arcs.add(regions_.place(to), graph_[*e]);
        else entered = true;
      }
      middle_.entry_of.push_back(entered ? middle_.entries.size() : 0);
      if (entered) middle_.entries.push_back(i);
    }
    middle_.arcs.finish();
    middle_.widths = middle_.arcs.widths();
    if (middle_.widths.empty()) middle_.widths.push_back(0);  // so that a place still reaches itself
  }

  std::vector<path> const& crossing_between(std::size_t a, std::size_t b) const {
    auto const [low, high] = std::minmax(a, b);
    crossing& c = crossings_[low];
    std::call_once(c.found, [&, low = low] {
      std::call_once(middle_.laid, [this] { lay_middle(); });
      c.ways = detail::unbeaten_ways(middle_.arcs, middle_.widths, low, middle_.entries);
    });
    return c.ways[middle_.entry_of[high]];
  }

  path across(std::size_t low, std::size_t high) const {
    path best;
    for (auto const& out : exits_of(low))
      for (auto const& in : exits_of(high))
        for (auto const& over : crossing_between(out.at, in.at))
          if (auto const whole = detail::joined(detail::joined(out.way, over), in.way); detail::better(whole, best)) best = whole;
    return best;
  }

  struct middle {
    std::once_flag laid;
    detail::arcs arcs;
    std::vector<double> widths;
    std::vector<std::size_t> entries;   ///< places between the hosts that are linked to a host
    std::vector<std::size_t> entry_of;  ///< of each place: which entry it is
  };

  graph graph_;
  detail::host_regions regions_;
  std::vector<std::size_t> rank_;  ///< of each device among those of its host
  std::unique_ptr<row[]> rows_;
  std::unique_ptr<host[]> hosts_;
  std::unique_ptr<crossing[]> crossings_;
  mutable middle middle_;
};

}  // namespace gpuplace::topology
