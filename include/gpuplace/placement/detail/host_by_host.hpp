#pragma once
/// @file
/// Groups of devices of a large view, chosen host by host.

#include <gpuplace/placement/detail/group_search.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Chooses groups inside hosts as long as they fit there, then from what the hosts leave, in the view's order. Hosts whose links
/// are alike are looked at once; links between hosts are taken to be equal, and are not asked for.
class host_by_host {
public:
  host_by_host(device_group const& view, std::vector<bool> const& available) : view_(view) {
    std::unordered_map<std::string_view, std::size_t> known;
    for (std::size_t d = 0; d < view.size(); ++d) {
      if (!available[d]) continue;
      auto const [at, added] = known.emplace(view[d].id.host, hosts_.size());
      if (added) hosts_.emplace_back();
      hosts_[at->second].free.push_back(d);
    }
  }

  /// Groups of `sizes`, no more devices than there are.
  /// Complexity: O(D log D), and a search for each kind of host where a group is a part of one
  std::vector<std::vector<std::size_t>> groups(std::span<std::size_t const> sizes) {
    std::vector<std::vector<std::size_t>> made;
    made.reserve(sizes.size());
    for (std::size_t from = 0; from < sizes.size();) {
      auto to = from;
      while (to < sizes.size() && sizes[to] == sizes[from]) ++to;
      take(to - from, sizes[from], made);
      from = to;
    }
    return made;
  }

  /// Takes `required` and, to make them `size` devices, those best linked to them: of their hosts first.
  std::vector<std::size_t> group_with(std::span<std::size_t const> required, std::size_t size) {
    std::vector<std::size_t> group(required.begin(), required.end());
    for (auto& h : hosts_) {
      auto const is_required = [&](std::size_t d) { return std::ranges::find(required, d) != required.end(); };
      auto const here = static_cast<std::size_t>(std::ranges::count_if(h.free, is_required));
      if (here == 0) continue;
      auto const more = std::min(size - group.size(), h.free.size() - here);
      if (h.free.size() <= most_matrix_devices && more > 0) {
        link_matrix const links(view_, h.free);
        device_mask must = 0;
        for (std::size_t i = 0; i < h.free.size(); ++i)
          if (is_required(h.free[i])) must |= mask_of(i);
        auto const found = find_best_set(links, first_devices(h.free.size()), here + more, must).first;
        for_each_device(found.members & ~must, [&](std::size_t i) { group.push_back(h.free[i]); });
      } else {
        for (auto const d : h.free)
          if (!is_required(d) && group.size() < size) group.push_back(d);
      }
    }
    remove(group);
    if (group.size() < size) {
      std::vector<std::vector<std::size_t>> rest;
      take(1, size - group.size(), rest);
      group.insert(group.end(), rest.front().begin(), rest.front().end());
    }
    std::sort(group.begin(), group.end());
    return group;
  }

private:
  struct host {
    std::vector<std::size_t> free;  ///< positions in the view, in order
  };
  /// Hosts with these links, and what was chosen there before.
  struct kind {
    link_matrix links;
    best_sets sets;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<device_mask>> chosen;  ///< by number and size of the groups
  };

  void remove(std::vector<std::size_t> const& taken) {
    std::vector<bool> gone(view_.size());
    for (auto const d : taken) gone[d] = true;
    for (auto& h : hosts_) std::erase_if(h.free, [&](std::size_t d) { return gone[d]; });
  }

  void take(std::size_t wanted, std::size_t size, std::vector<std::vector<std::size_t>>& made) {
    auto const first = static_cast<std::ptrdiff_t>(made.size());
    for (auto const h : hosts_for(wanted, size)) {
      auto const here = std::min(wanted, hosts_[h].free.size() / size);
      take_in_host(hosts_[h], here, size, made);
      wanted -= here;
    }
    std::sort(made.begin() + first, made.end());
    std::vector<std::size_t> group;
    for (auto h = hosts_.begin(); h != hosts_.end() && wanted > 0; ++h) {
      std::size_t used = 0;
      while (used < h->free.size() && wanted > 0) {
        group.push_back(h->free[used++]);
        if (group.size() < size) continue;
        made.push_back(std::move(group));
        group.clear();
        --wanted;
      }
      h->free.erase(h->free.begin(), h->free.begin() + static_cast<std::ptrdiff_t>(used));
    }
  }

  /// Hosts with room for a group, in the order in which they are to be used: where not all are needed the best-linked first, of
  /// equals those that are nearest to being full.
  std::vector<std::size_t> hosts_for(std::size_t wanted, std::size_t size) {
    std::vector<std::size_t> order;
    std::size_t room = 0;
    for (std::size_t h = 0; h < hosts_.size(); ++h) {
      if (hosts_[h].free.size() < size) continue;
      order.push_back(h);
      room += hosts_[h].free.size() / size;
    }
    if (wanted >= room) return order;
    std::vector<std::array<std::int64_t, 4>> ranked;
    for (auto const h : order) {
      auto const best = searched(hosts_[h]) ? kind_of(hosts_[h]).sets.widest[size] : chosen_set{.worst = 0};
      ranked.push_back({-best.worst, -best.score, static_cast<std::int64_t>(hosts_[h].free.size()), static_cast<std::int64_t>(h)});
    }
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::size_t>(ranked[i][3]);
    return order;
  }

  static bool searched(host const& h) { return h.free.size() <= most_matrix_devices; }

  void take_in_host(host& from, std::size_t count, std::size_t size, std::vector<std::vector<std::size_t>>& made) {
    if (count == 0) return;
    if (!searched(from) || size == from.free.size()) {
      for (std::size_t g = 0; g < count; ++g) {
        auto const at = from.free.begin() + static_cast<std::ptrdiff_t>(g * size);
        made.emplace_back(at, at + static_cast<std::ptrdiff_t>(size));
      }
      from.free.erase(from.free.begin(), from.free.begin() + static_cast<std::ptrdiff_t>(count * size));
      return;
    }
    auto& like = kind_of(from);
    auto& chosen = like.chosen[{count, size}];
    if (chosen.empty())
      chosen =
          group_search(like.links, first_devices(from.free.size()), like.sets).best(std::vector<std::size_t>(count, size)).groups;
    device_mask taken = 0;
    for (auto const mask : chosen) {
      auto& group = made.emplace_back();
      for_each_device(mask, [&](std::size_t i) { group.push_back(from.free[i]); });
      taken |= mask;
    }
    std::vector<std::size_t> left;
    for_each_device(first_devices(from.free.size()) & ~taken, [&](std::size_t i) { left.push_back(from.free[i]); });
    from.free = std::move(left);
  }

  kind& kind_of(host const& h) {
    link_matrix links(view_, h.free);
    auto& known = kinds_[links.shape()];
    if (!known) {
      known = std::make_unique<kind>(kind{std::move(links), {}, {}});
      known->sets = find_best_sets(known->links, first_devices(h.free.size()), h.free.size());
    }
    return *known;
  }

  device_group const& view_;
  std::vector<host> hosts_;
  std::map<std::vector<std::int64_t>, std::unique_ptr<kind>> kinds_;
};

}  // namespace gpuplace::detail
