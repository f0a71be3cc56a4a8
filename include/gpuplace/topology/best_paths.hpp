#pragma once
/// @file
/// The best way from one device to others: widest first, then least latency.

#include <algorithm>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/property_map/function_property_map.hpp>
#include <boost/property_map/property_map.hpp>
#include <functional>
#include <gpuplace/topology/concept.hpp>
#include <limits>
#include <span>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// Keeps the links that a path from `start` may take at a bandwidth of at least `width`: devices do not forward.
template <topology_graph G>
struct usable_links {
  G const* graph = nullptr;
  vertex_t<G> start{};
  double width = 0;
  bool operator()(edge_t<G> const& e) const {
    auto const from = source(e, *graph);
    link const& l = (*graph)[e];
    return (from == start || (*graph)[from].kind != vertex_kind::device) && l.bandwidth.value() >= width;
  }
};

/// One run of Dijkstra's algorithm over the usable links, in the semiring that `Compare` and `Combine` make.
template <topology_graph G, class Weight, class Compare, class Combine>
void walk(usable_links<G> const& usable, Weight weight, Compare compare, Combine combine, double unreached, double first,
          std::vector<double>& distance, std::vector<vertex_t<G>>& before) {
  auto const& g = *usable.graph;
  auto const count = static_cast<std::size_t>(num_vertices(g));
  distance.assign(count, unreached);
  before.resize(count);
  boost::filtered_graph<G, usable_links<G>> const usable_graph(g, usable);
  boost::typed_identity_property_map<vertex_t<G>> const index;
  auto const weights = boost::make_function_property_map<edge_t<G>>([&](edge_t<G> const& e) { return double{weight(g[e])}; });
  boost::dijkstra_shortest_paths(usable_graph, usable.start, boost::make_iterator_property_map(before.begin(), index),
                                 boost::make_iterator_property_map(distance.begin(), index), weights, index, compare, combine,
                                 unreached, first, boost::default_dijkstra_visitor());
}

/// The chain of links that ends in `last`, seen as one.
template <topology_graph G>
path collect(usable_links<G> const& usable, std::vector<vertex_t<G>> const& before, std::vector<double> const& latency,
             vertex_t<G> last) {
  auto const& g = *usable.graph;
  path whole{.kind = path_kind::self, .latency = microseconds{latency[last]}};
  double narrowest = std::numeric_limits<double>::infinity();
  for (auto at = last; at != usable.start; at = before[at]) {
    link const* taken = nullptr;  // of parallel links the one that the walk used: usable, least latency
    for (auto [e, end] = out_edges(before[at], g); e != end; ++e) {
      if (target(*e, g) != at || !usable(*e)) continue;
      link const& candidate = g[*e];
      if (taken == nullptr || candidate.latency < taken->latency) taken = &candidate;
    }
    if (taken->nvlinks > 0) whole.nvlinks = whole.nvlinks == 0 ? taken->nvlinks : std::min(whole.nvlinks, taken->nvlinks);
    whole.kind = std::max(whole.kind, taken->kind);
    whole.staged = whole.staged || taken->staged;
    narrowest = std::min(narrowest, taken->bandwidth.value());
  }
  if (!is_bundle(whole.kind)) whole.nvlinks = 0;
  whole.bandwidth = gigabytes_per_second{narrowest};
  return whole;
}

struct best_paths_fn {
  template <topology_graph G>
  std::vector<path> operator()(G const& g, vertex_t<G> source, std::span<vertex_t<G> const> targets) const {
    std::vector<double> widest, latency;
    std::vector<vertex_t<G>> before;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    detail::walk(
        usable_links<G>{&g, source, 0}, [](link const& l) { return l.bandwidth.value(); }, std::greater<>{},
        [](double a, double b) { return std::min(a, b); }, 0.0, infinity, widest, before);

    std::vector<std::size_t> order;  // targets by width, so that each distinct width is walked once
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (targets[i] != source && widest[targets[i]] > 0) order.push_back(i);
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t i) { return widest[targets[i]]; });

    std::vector<path> found(targets.size());
    usable_links<G> usable{&g, source, infinity};
    for (std::size_t const i : order) {
      if (double const width = widest[targets[i]]; width != usable.width) {
        usable.width = width;
        detail::walk(
            usable, [](link const& l) { return l.latency.count(); }, std::less<>{}, std::plus<>{}, infinity, 0.0, latency, before);
      }
      found[i] = detail::collect(usable, before, latency, targets[i]);
    }
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (targets[i] == source) found[i].kind = path_kind::self;
    return found;
  }
};

}  // namespace detail

/// Finds the best path from `source` to each of `targets`: the largest bottleneck bandwidth, of those the least latency.
/// The order "widest, then shortest" does not survive extension by a link, so that one walk cannot find it: the first walk
/// takes the widths alone, then one walk for each distinct width takes latencies over the links at least that wide.
/// @tparam G   models topology_graph
/// Shape:      targets [0, T) -> paths [0, T); kind none where there is no way, self for the source
/// Errors:     none; never throws but for memory     Threads: const calls are safe on shared objects
/// Complexity: O((W + 1) (V + E) log V) for W distinct widths among the targets; machines have a handful
/// Source:     Sobrinho, "Network routing with path vector protocols" (2003), on isotone and monotone orders
inline constexpr detail::best_paths_fn best_paths{};

}  // namespace gpuplace::topology
