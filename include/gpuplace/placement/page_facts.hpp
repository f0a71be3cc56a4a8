#pragma once
/// @file
/// What the page of a plan shows of its machine, and its times. Not in the umbrella.

#include <gpuplace/placement/explain.hpp>
#include <gpuplace/plan/page_facts.hpp>
#include <gpuplace/topology/graph.hpp>

#include <cstddef>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

inline std::string rate_text(path const& way) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), " · %.4g GB/s", way.bandwidth.value());
  return way.label() + (way.kind == path_kind::none ? "" : text.data()) + (way.staged ? ", through host memory" : "");
}

/// Replaces the links of a host whose devices are all linked alike by one fabric.
inline void join_full_meshes(pictured_machine& made, std::map<std::string, std::size_t> const& sizes,
                             std::vector<std::string> const& hosts) {
  for (auto const& [host, size] : sizes) {
    std::vector<pictured_link const*> here;
    for (auto const& l : made.links)
      if (hosts[l.a] == host) here.push_back(&l);
    if (size < 5 || here.size() != size * (size - 1) / 2) continue;
    auto const label = here.front()->label;
    if (!std::ranges::all_of(here, [&](auto const* l) { return l->label == label; })) continue;
    made.fabrics.push_back({host, label + " between every two"});
    std::erase_if(made.links, [&](auto const& l) { return hosts[l.a] == host; });
  }
}

}  // namespace detail

/// The machine of a plan as its page draws it.
/// @param g  the topology the plan was made for, with the devices named as in the plan
/// Complexity: O(V + E) and the logarithm of devices
inline pictured_machine picture_of(plan const& p, topology::graph const& g) {
  pictured_machine made;
  made.devices.resize(p.devices.size());
  std::map<device_id, std::size_t> places;
  std::map<std::string, std::size_t> sizes;
  std::vector<std::string> hosts;
  for (std::size_t d = 0; d < p.devices.size(); ++d) {
    places.emplace(p.devices[d].id, d);
    hosts.push_back(p.devices[d].id.host);
    ++sizes[hosts.back()];
  }
  auto const listed_at = [&](std::size_t v) -> std::optional<std::size_t> {
    if (g[v].kind != topology::vertex_kind::device) return std::nullopt;
    auto const at = places.find(g.devices()[g[v].device].id);
    return at == places.end() ? std::nullopt : std::optional(at->second);
  };
  std::map<std::string, int> switched;
  for (auto const v : g.device_vertices()) {
    auto const d = listed_at(v);
    if (!d) continue;
    made.devices[*d].numa = g[v].numa;
    int nvlinks = 0;
    gigabytes_per_second rate{};
    path_kind kind = path_kind::none;
    for (auto [e, end] = out_edges(v, g); e != end; ++e) {
      auto const other = target(*e, g);
      auto const& way = g[*e];
      if (g[other].kind == topology::vertex_kind::pcie_switch) made.devices[*d].behind = g[other].name;
      if (g[other].kind == topology::vertex_kind::nvswitch) {
        nvlinks += way.nvlinks;
        rate = gigabytes_per_second{rate.value() + way.bandwidth.value()};
        kind = way.kind;
      }
      if (auto const to = listed_at(other); to && *to > *d && is_bundle(way.kind) && hosts[*to] == hosts[*d])
        made.links.push_back({*d, *to, way.label(), way.nvlinks});
    }
    if (nvlinks > 0 && ++switched[hosts[*d]] == 1)
      made.fabrics.push_back({hosts[*d], "NVSwitch · " + detail::rate_text({.kind = kind, .nvlinks = nvlinks, .bandwidth = rate})});
  }
  detail::join_full_meshes(made, sizes, hosts);
  return made;
}

/// As picture_of(), with the paths between devices.
inline pictured_machine machine_of(plan const& p, device_group const& view, topology::graph const& g) {
  auto made = picture_of(p, g);
  made.way = [view, ids = p.devices](std::size_t a, std::size_t b) {
    auto const from = view.find(ids[a].id), to = view.find(ids[b].id);
    return from && to ? detail::rate_text(view.path(*from, *to)) : std::string();
  };
  return made;
}

/// All that a plan's page shows beside the plan: its machine, the times of up to 256 replicas, and the explanation.
/// Errors:     those of explain()
inline result<page_facts> page_facts_of(plan const& p, std::vector<model_description> const& models, device_group const& view,
                                        topology::graph const& g) {
  constexpr std::size_t most_replicas = 256;
  page_facts made;
  GPUPLACE_TRY(made.explanation, explain(p, models, view));
  made.machine = machine_of(p, view, g);
  made.times.resize(models.size());
  for (std::size_t m = 0; m < models.size(); ++m)
    for (auto const& r : p.models[m].replicas) {
      if (made.times[m].size() == most_replicas) break;
      GPUPLACE_TRY(auto const spans, detail::spans_of(r, models[m].units, view, p.models[m].name));
      auto const why = explain_replica(r, spans, models[m].units, p.models[m], view);
      auto& shown = made.times[m].emplace_back();
      for (auto const& s : why.stages)
        shown.stages.push_back(s.total() > seconds{0} ? detail::time_text(s.total()) : std::string());
      for (auto const& h : why.hops) shown.hops.push_back({h.way.label(), detail::time_text(h.time)});
    }
  return made;
}

}  // namespace gpuplace
