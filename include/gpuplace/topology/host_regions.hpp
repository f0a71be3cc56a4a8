#pragma once
/// @file
/// Which part of a graph is which host, and what joins the hosts: so that paths inside a host walk that host alone.

#include <algorithm>
#include <cstddef>
#include <gpuplace/topology/graph.hpp>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::topology::detail {

/// A graph's vertices by host. What bears the name of no device's host lies between the hosts: switches of the network. Hosts whose
/// vertices are linked directly count as one, and so does all of a graph that has one host.
/// Complexity: O(V + E)
class host_regions {
public:
  explicit host_regions(graph const& g) : of_(num_vertices(g)), place_(num_vertices(g)) {
    name_regions(g);
    unite_linked(g);
    sort_members();
  }

  /// How many hosts there are; that number itself stands for what lies between them.
  std::size_t size() const { return count_; }
  std::size_t between() const { return count_; }
  std::size_t of(std::size_t vertex) const { return of_[vertex]; }
  /// The vertices of a region, in the graph's order, and the place of a vertex among them.
  std::span<std::size_t const> members(std::size_t region) const {
    return std::span(members_).subspan(first_[region], first_[region + 1] - first_[region]);
  }
  std::size_t place(std::size_t vertex) const { return place_[vertex]; }

private:
  static constexpr std::size_t unnamed = static_cast<std::size_t>(-1);

  void name_regions(graph const& g) {
    std::unordered_map<std::string_view, std::size_t> known;
    std::string_view last;
    std::size_t region = unnamed;
    for (auto const& d : g.devices())
      if (region == unnamed || d.id.host != last) {
        last = d.id.host;
        region = known.try_emplace(last, known.size()).first->second;
      }
    count_ = known.size();
    region = unnamed;
    for (std::size_t v = 0; v < of_.size(); ++v) {
      if (region == unnamed || g[v].host != last) {
        last = g[v].host;
        auto const at = known.find(last);
        region = at == known.end() ? count_ : at->second;
      }
      of_[v] = region;
    }
  }

  void unite_linked(graph const& g) {
    std::vector<std::size_t> root(count_ + 1);
    std::iota(root.begin(), root.end(), std::size_t{0});
    auto const top = [&](std::size_t r) {
      while (root[r] != r) r = root[r] = root[root[r]];
      return r;
    };
    for (auto [e, end] = edges(g); e != end; ++e) {
      auto const a = of_[source(*e, g)], b = of_[target(*e, g)];
      if (a != b && a != count_ && b != count_) root[top(std::max(a, b))] = top(std::min(a, b));
    }
    std::vector<std::size_t> renamed(count_ + 1);
    std::size_t kept = 0;
    for (std::size_t r = 0; r < count_; ++r)
      if (top(r) == r) renamed[r] = kept++;
    for (std::size_t r = 0; r < count_; ++r) renamed[r] = renamed[top(r)];
    renamed[count_] = kept == 1 ? 0 : kept;  // what is beside a single host belongs to it
    count_ = kept;
    for (auto& r : of_) r = renamed[r];
  }

  void sort_members() {
    first_.assign(count_ + 2, 0);
    for (auto const r : of_) ++first_[r + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    members_.resize(of_.size());
    auto next = first_;
    for (std::size_t v = 0; v < of_.size(); ++v) {
      place_[v] = next[of_[v]] - first_[of_[v]];
      members_[next[of_[v]]++] = v;
    }
  }

  std::size_t count_ = 0;
  std::vector<std::size_t> of_, place_, members_, first_;
};

}  // namespace gpuplace::topology::detail
