#pragma once
/// @file
/// A chain of units to be split over devices, as the solver sees it: bytes of every interval, times of every prefix, hops.

#include <gpuplace/placement/cost_model.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gpuplace {

/// What a split asks of every stage.
struct stage_bound {
  bytes memory{std::numeric_limits<std::int64_t>::max()};  ///< and never more than the device's own limit
  seconds time{std::numeric_limits<double>::infinity()};   ///< of the stage, hops apart
};

/// What a split is to make small under such bounds: a sum over its stages and hops.
struct split_cost {
  double hop = 0;           ///< of each hop, whatever its path
  double hop_second = 0;    ///< of each second spent in hops
  double stage_second = 0;  ///< of each second spent in stages
};

/// Units, devices and the numbers between them. A tied head that is shared goes back to the embedding's device: it is no part of
/// the chain, and the stage with the embedding has room for it.
/// Shape:      units [0, U) with or without such a head; positions in [0, size()] between units of the chain
/// Complexity: O(U^2 + U D + D^2) to make        Threads: const calls are safe on shared objects
class split_problem {
public:
  split_problem(std::span<unit const> units, device_group const& group, demand const& load)
      : units_(units), group_(group), load_(load) {
    auto const embedding = std::ranges::find(units, unit_kind::embedding, &unit::kind);
    tied_ = embedding != units.end() && units.back().tied;
    home_ = tied_ ? static_cast<std::size_t>(embedding - units.begin()) : 0;
    returns_ = tied_ && load.head == tied_head::shared;
    size_ = returns_ ? units.size() - 1 : units.size();
    measure_memory();
    limits_.reserve(group.size());
    for (std::size_t d = 0; d < group.size(); ++d) limits_.push_back(group.capacity(d));
    paths_.reserve(group.size() * group.size());
    for (std::size_t a = 0; a < group.size(); ++a)
      for (std::size_t b = 0; b < group.size(); ++b) paths_.push_back(a < b ? group.path(a, b) : path{.kind = path_kind::self});
    set_work(step_work::decode(static_cast<double>(load.sequences), static_cast<double>(load.context)));
  }

  /// The step that times are of; without a call one token of every sequence, each at its full context.
  void set_work(step_work const& work) {
    work_ = work;
    times_.assign(group_.size() * (units_.size() + 1), 0.0);
    for (std::size_t d = 0; d < group_.size(); ++d) {
      if (auto const twin = same_rates(d); twin < d) {
        std::copy_n(row(twin), units_.size() + 1, row(d));
        continue;
      }
      for (std::size_t u = 0; u < units_.size(); ++u)
        row(d)[u + 1] = row(d)[u] + stage_time(units_.subspan(u, 1), group_[d], work, load_.type).count();
      if (!returns_) continue;
      auto const head = row(d)[units_.size()] - row(d)[size_];
      for (std::size_t u = home_ + 1; u <= units_.size(); ++u) row(d)[u] += head;
    }
  }

  std::size_t size() const { return size_; }  ///< units of the chain
  std::size_t devices() const { return group_.size(); }
  bool head_returns() const { return returns_; }
  device_group const& group() const { return group_; }
  std::span<unit const> units() const { return units_; }
  demand const& load() const { return load_; }
  bytes limit(std::size_t device) const { return limits_[device]; }

  /// What units [first, last) take as one stage, a head that returns to it counted.
  bytes need(std::size_t first, std::size_t last) const {
    auto const all = bytes{needs_[first * (size_ + 1) + last]};
    if (first == 0 && last == size_) return all + whole_extra_;
    return holds_home(first, last) ? all + head_extra_ : all;
  }
  /// Whether the stage [first, last) is the one that a shared head returns to.
  bool holds_home(std::size_t first, std::size_t last) const { return returns_ && first <= home_ && home_ < last; }
  /// Adds a head that returns to spans of the chain.
  void return_head(stages& spans) const {
    if (!returns_) return;
    auto const home = std::ranges::find_if(spans, [&](stage_span const& s) { return holds_home(s.first, s.last); });
    auto const device = home->device;
    if (spans.back().device == device) ++spans.back().last;
    else spans.push_back({.device = device, .first = size_, .last = size_ + 1});
  }
  /// The unit whose device a shared head returns to: the embedding.
  std::size_t home() const { return home_; }
  /// Time of units [first, last) on `device`, with the head where it returns there.
  seconds time(std::size_t device, std::size_t first, std::size_t last) const {
    return seconds{row(device)[last] - row(device)[first]};
  }
  /// Time to hand what unit `boundary` - 1 gives from one device to another.
  seconds hop(std::size_t from, std::size_t to, std::size_t boundary) const {
    return hop_time(units_[boundary - 1], way(from, to), work_);
  }
  path const& way(std::size_t a, std::size_t b) const { return paths_[std::min(a, b) * devices() + std::max(a, b)]; }

  /// `ends[i]` is the farthest end of a stage that starts at unit i, is not the whole model and keeps the bounds on `device`;
  /// i itself where there is none. Ends never decrease.
  void farthest_ends(std::size_t device, stage_bound const& bound, std::vector<std::size_t>& ends) const {
    auto const room = std::min(bound.memory, limits_[device]);
    ends.resize(size_ + 1);
    std::size_t end = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      end = std::max(end, i);
      auto const last = i == 0 ? size_ - 1 : size_;
      while (end < last && fits(device, i, end + 1, room, bound.time)) ++end;
      ends[i] = end;
    }
    ends[size_] = size_;
  }

  /// The farthest end of one stage from unit `first` on, as farthest_ends() gives it.
  std::size_t farthest_end(std::size_t device, stage_bound const& bound, std::size_t first) const {
    auto const room = std::min(bound.memory, limits_[device]);
    auto const last = first == 0 ? size_ - 1 : size_;
    auto end = first;
    while (end < last && fits(device, first, end + 1, room, bound.time)) ++end;
    return end;
  }

  /// Whether the whole model keeps the bounds as one stage, where no head has to return or to be copied.
  bool whole_fits(std::size_t device, stage_bound const& bound) const {
    return fits(device, 0, size_, std::min(bound.memory, limits_[device]), bound.time);
  }

  /// What a hop and a stage add to the sum.
  double hop_cost(std::size_t from, std::size_t to, std::size_t boundary, split_cost const& cost) const {
    if (way(from, to).kind == path_kind::none) return std::numeric_limits<double>::infinity();
    return cost.hop + cost.hop_second * hop(from, to, boundary).count();
  }
  double stage_cost(std::size_t device, std::size_t first, std::size_t last, split_cost const& cost) const {
    return cost.stage_second * (row(device)[last] - row(device)[first]);
  }

  /// Devices of equal limits and rates, which the work and the memory cannot tell apart.
  bool alike(std::size_t a, std::size_t b) const { return limits_[a] == limits_[b] && same_speed(a, b); }

private:
  bool same_speed(std::size_t a, std::size_t b) const {
    auto const& x = group_[a];
    auto const& y = group_[b];
    return x.memory_bandwidth == y.memory_bandwidth && x.peak_bf16 == y.peak_bf16 && x.peak_fp32 == y.peak_fp32 &&
           x.launch_cost == y.launch_cost;
  }
  std::size_t same_rates(std::size_t d) const {
    std::size_t first = 0;
    while (first < d && !same_speed(first, d)) ++first;
    return first;
  }
  double* row(std::size_t d) { return times_.data() + d * (units_.size() + 1); }
  double const* row(std::size_t d) const { return times_.data() + d * (units_.size() + 1); }

  bool fits(std::size_t device, std::size_t first, std::size_t last, bytes room, seconds longest) const {
    return need(first, last) <= room && time(device, first, last) <= longest;
  }

  /// Weights and KV cache add up, of the workspace the largest counts.
  void measure_memory() {
    needs_.assign((size_ + 1) * (size_ + 1), 0);
    for (std::size_t i = 0; i < size_; ++i) {
      bytes held, workspace;
      for (std::size_t j = i; j < size_; ++j) {
        held += units_[j].weight_bytes + kv_bytes(units_[j], load_);
        workspace = std::max(workspace, workspace_bytes(units_[j], load_));
        needs_[i * (size_ + 1) + j + 1] = (held + workspace).count();
      }
    }
    if (!tied_) return;
    auto const& head = units_.back();
    if (returns_) {
      auto const own = workspace_bytes(head, load_);
      head_extra_ = kv_bytes(head, load_) + own;
      bytes largest;
      for (auto const& u : units_.first(size_)) largest = std::max(largest, workspace_bytes(u, load_));
      whole_extra_ = kv_bytes(head, load_) + std::max(bytes{}, own - largest);
    } else {
      whole_extra_ = bytes{} - head.weight_bytes;
    }
  }

  std::span<unit const> units_;
  device_group group_;
  demand load_;
  step_work work_;
  bool tied_ = false, returns_ = false;
  std::size_t size_ = 0;
  std::size_t home_ = 0;
  bytes head_extra_;   ///< of the stage with the embedding, where there are several
  bytes whole_extra_;  ///< of a stage that is the whole model
  std::vector<std::int64_t> needs_;
  std::vector<bytes> limits_;
  std::vector<path> paths_;
  std::vector<double> times_;
};

}  // namespace gpuplace
