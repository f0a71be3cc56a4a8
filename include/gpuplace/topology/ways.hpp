#pragma once
/// @file
/// Walks over a small graph laid flat: the widest ways from one vertex, and the ways that no other one beats.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <gpuplace/topology/link.hpp>
#include <limits>
#include <queue>
#include <span>
#include <utility>
#include <vector>

namespace gpuplace::topology::detail {

/// The links out of every vertex, vertex by vertex.
class arcs {
public:
  struct arc {
    std::size_t to;
    link what;
  };

  /// The links that are added from now on leave a new vertex; ways may end at a `closed` one and not pass through it.
  void begin_vertex(bool closed) {
    first_.push_back(out_.size());
    closed_.push_back(closed);
  }
  void add(std::size_t to, link const& what) { out_.push_back({to, what}); }
  void finish() { first_.push_back(out_.size()); }

  std::size_t size() const { return closed_.size(); }
  bool closed(std::size_t v) const { return closed_[v]; }
  std::span<arc const> out_of(std::size_t v) const { return std::span(out_).subspan(first_[v], first_[v + 1] - first_[v]); }

  /// The different bandwidths of its links, largest first.
  std::vector<double> widths() const {
    std::vector<double> all;
    for (auto const& a : out_) all.push_back(a.what.bandwidth.value());
    std::ranges::sort(all, std::greater<>{});
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

private:
  std::vector<std::size_t> first_;
  std::vector<bool> closed_;
  std::vector<arc> out_;
};

/// Dijkstra's algorithm from one vertex, over the links that are wide enough.
class walk {
public:
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  walk(arcs const& all, std::size_t source) : all_(all), source_(source), value_(all.size()), before_(all.size()) {}

  /// Finds the largest bandwidth to every vertex; zero where there is no way.
  void by_width() {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    run<std::less<>>(0.0, infinity, 0, [](double sofar, link const& l) { return std::min(sofar, l.bandwidth.value()); });
  }

  /// Finds the least latency to every vertex over links of at least `width`; infinity where there is no way.
  void by_latency(double width) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    run<std::greater<>>(infinity, 0.0, width, [](double sofar, link const& l) { return sofar + l.latency.count(); });
  }

  double value(std::size_t v) const { return value_[v]; }

  /// The links from the source to `last`, seen as one; after by_latency.
  path way_to(std::size_t last) const {
    path whole{.kind = path_kind::self, .latency = microseconds{value_[last]}};
    double narrowest = std::numeric_limits<double>::infinity();
    for (auto at = last; at != source_; at = before_[at].vertex) {
      link const& taken = *before_[at].over;
      if (taken.nvlinks > 0) whole.nvlinks = whole.nvlinks == 0 ? taken.nvlinks : std::min(whole.nvlinks, taken.nvlinks);
      whole.kind = std::max(whole.kind, taken.kind);
      whole.staged = whole.staged || taken.staged;
      narrowest = std::min(narrowest, taken.bandwidth.value());
    }
    if (!is_bundle(whole.kind)) whole.nvlinks = 0;
    whole.bandwidth = gigabytes_per_second{narrowest};
    return whole;
  }

private:
  struct step {
    std::size_t vertex = nowhere;
    link const* over = nullptr;
  };

  template <class Worse, class Extend>
  void run(double unreached, double first, double width, Extend extend) {
    using entry = std::pair<double, std::size_t>;
    constexpr Worse worse{};
    auto const later = [](entry const& a, entry const& b) { return Worse{}(a.first, b.first); };
    std::ranges::fill(value_, unreached);
    std::ranges::fill(before_, step{});
    value_[source_] = first;
    std::priority_queue<entry, std::vector<entry>, decltype(later)> open(later);
    open.emplace(first, source_);
    while (!open.empty()) {
      auto const [value, v] = open.top();
      open.pop();
      if (value != value_[v] || (all_.closed(v) && v != source_)) continue;
      for (auto const& [to, what] : all_.out_of(v)) {
        if (what.bandwidth.value() < width) continue;
        double const next = extend(value, what);
        if (!worse(value_[to], next)) continue;
        value_[to] = next;
        before_[to] = {v, &what};
        open.emplace(next, to);
      }
    }
  }

  arcs const& all_;
  std::size_t source_;
  std::vector<double> value_;
  std::vector<step> before_;
};

/// The widest way from `source` to each of `targets`, of those the one with the least latency.
inline std::vector<path> widest_ways(arcs const& all, std::size_t source, std::span<std::size_t const> targets) {
  walk to_all(all, source);
  to_all.by_width();
  std::vector<std::pair<double, std::size_t>> order;  // targets by width, so that each distinct width is walked once
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i] != source && to_all.value(targets[i]) > 0) order.emplace_back(to_all.value(targets[i]), i);
  std::ranges::stable_sort(order, [](auto const& a, auto const& b) { return a.first > b.first; });
  std::vector<path> found(targets.size());
  double walked = std::numeric_limits<double>::infinity();
  for (auto const& [width, i] : order) {
    if (width != walked) to_all.by_latency(walked = width);
    found[i] = to_all.way_to(targets[i]);
  }
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i] == source) found[i].kind = path_kind::self;
  return found;
}

/// For each of `targets` the ways from `source` that no other beats in both bandwidth and latency, widest first: the best whole
/// way is among those that are made of these, whatever follows them.
/// @param widths  of `all`
inline std::vector<std::vector<path>> unbeaten_ways(arcs const& all, std::span<double const> widths, std::size_t source,
                                                    std::span<std::size_t const> targets) {
  std::vector<std::vector<path>> found(targets.size());
  walk to_all(all, source);
  for (double const width : widths) {
    to_all.by_latency(width);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      double const latency = to_all.value(targets[i]);
      if (latency < std::numeric_limits<double>::infinity() && (found[i].empty() || latency < found[i].back().latency.count()))
        found[i].push_back(to_all.way_to(targets[i]));
    }
  }
  return found;
}

/// Two ways, one after the other, as one.
constexpr path joined(path const& a, path const& b) {
  if (a.kind == path_kind::self) return b;
  if (b.kind == path_kind::self) return a;
  path whole{std::max(a.kind, b.kind), 0, std::min(a.bandwidth, b.bandwidth), a.latency + b.latency, a.staged || b.staged};
  if (is_bundle(whole.kind))
    whole.nvlinks = a.nvlinks == 0 || b.nvlinks == 0 ? std::max(a.nvlinks, b.nvlinks) : std::min(a.nvlinks, b.nvlinks);
  return whole;
}

/// True if `a` is wider than `b`, or as wide and sooner there.
constexpr bool better(path const& a, path const& b) {
  if (a.kind == path_kind::none || b.kind == path_kind::none) return b.kind == path_kind::none && a.kind != path_kind::none;
  return a.bandwidth != b.bandwidth ? a.bandwidth > b.bandwidth : a.latency < b.latency;
}

}  // namespace gpuplace::topology::detail
