#pragma once
/// @file
/// What joins hosts: one switch, a switch for each rail, or leaves under a spine.

#include <algorithm>
#include <cstddef>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// The network between hosts, as a plan needs it.
struct network_shape {
  gigabytes_per_second bandwidth{};  ///< of one network card, one direction; zero: what is usual beside the host's PCIe generation
  microseconds latency{2};           ///< from card to card under one switch; an estimate
  std::size_t rails = 1;             ///< card k of every host hangs on rail k (modulo the rails), which has switches of its own
  std::size_t hosts_per_leaf = 0;    ///< hosts under one leaf switch; 0: one switch holds all
  double oversubscription = 1;       ///< from leaf to spine a card gets so many times less when all send at once

  friend bool operator==(network_shape const&, network_shape const&) = default;
};

/// The host name of the vertices between the hosts.
inline constexpr std::string_view network_host = "network";

namespace detail {

/// Grows a network, host by host: the switches are made when the first card that needs them comes.
class network {
public:
  network(graph& g, network_shape const& shape) : g_(g), shape_(shape) {}

  /// Joins the next host by its network cards; `usual` is a card's bandwidth where the shape names none.
  void join(std::span<graph::vertex_descriptor const> cards, gigabytes_per_second usual) {
    auto const rate = shape_.bandwidth.value() > 0 ? shape_.bandwidth : usual;
    link const wire{path_kind::network, 0, rate, shape_.latency / 2, false};
    auto const leaf = shape_.hosts_per_leaf == 0 ? 0 : hosts_ / shape_.hosts_per_leaf;
    for (std::size_t k = 0; k < cards.size(); ++k)
      g_.connect(cards[k], switch_at(leaf, k % std::max<std::size_t>(1, shape_.rails), rate), wire);
    ++hosts_;
  }

private:
  graph::vertex_descriptor add(std::string name) { return g_.add(vertex_kind::nic, std::move(name), std::string(network_host)); }

  graph::vertex_descriptor switch_at(std::size_t leaf, std::size_t rail, gigabytes_per_second rate) {
    bool const one_switch = shape_.hosts_per_leaf == 0 && shape_.rails <= 1;
    auto const [at, fresh] = switches_.try_emplace({leaf, rail});
    if (!fresh) return at->second;
    auto const of_rail = shape_.rails > 1 ? "rail " + std::to_string(rail) : std::string();
    auto const of_leaf = shape_.hosts_per_leaf > 0 ? "leaf " + std::to_string(leaf) : std::string();
    at->second = add(one_switch ? "network" : of_leaf + (of_leaf.empty() || of_rail.empty() ? "" : ", ") + of_rail);
    if (one_switch) return at->second;
    if (spine_ == graph::null_vertex()) spine_ = add("spine");
    double const shared = shape_.hosts_per_leaf > 0 ? shape_.oversubscription : 1;
    g_.connect(at->second, spine_, {path_kind::network, 0, gigabytes_per_second{rate.value() / shared}, shape_.latency / 2, false});
    return at->second;
  }

  graph& g_;
  network_shape shape_;
  std::size_t hosts_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, graph::vertex_descriptor> switches_;
  graph::vertex_descriptor spine_ = graph::null_vertex();
};

/// GB/s of a network card that is usual beside these devices: that of the newest card's PCIe generation.
inline gigabytes_per_second usual_network_rate(graph const& machine) {
  double rate = network_rate(unknown_gpu.pcie);
  for (auto const& d : machine.devices())
    if (auto const* const model = find_gpu_model(d.name)) rate = std::max(rate, network_rate(model->pcie));
  return gigabytes_per_second{rate};
}

/// A machine that can be put into a larger graph as often as there are hosts like it.
class host_template {
public:
  /// A machine without a network card gets one, on its first NUMA node or where its devices meet.
  explicit host_template(graph machine) : machine_(std::move(machine)), rate_(usual_network_rate(machine_)) {
    for (std::size_t v = 0; v < num_vertices(machine_); ++v)
      if (machine_[v].kind == vertex_kind::nic) cards_.push_back(v);
    assumed_card_ = cards_.empty();
    if (assumed_card_) add_card();
  }

  graph const& machine() const { return machine_; }
  gigabytes_per_second usual_rate() const { return rate_; }
  bool assumed_card() const { return assumed_card_; }

  /// Adds a copy called `host`, and joins it to `to`.
  void put(graph& g, std::string const& host, network& to) {
    moved_.resize(num_vertices(machine_));
    for (std::size_t v = 0; v < moved_.size(); ++v) {
      auto const& old = machine_[v];
      if (old.kind == vertex_kind::device) continue;
      moved_[v] = g.add(old.kind, old.kind == vertex_kind::host && old.name == "host" ? host : old.name, host, old.numa);
    }
    for (std::size_t i = 0; i < machine_.devices().size(); ++i) {
      device d = machine_.devices()[i];
      d.id.host = host;
      moved_[machine_.device_vertices()[i]] = g.add(std::move(d));
    }
    for (auto [e, end] = edges(machine_); e != end; ++e)
      g.connect(moved_[source(*e, machine_)], moved_[target(*e, machine_)], machine_[*e]);
    moved_cards_.clear();
    for (auto const v : cards_) moved_cards_.push_back(moved_[v]);
    to.join(moved_cards_, rate_);
  }

private:
  void add_card() {
    std::vector<graph::vertex_descriptor> meet;
    for (auto const kind : {vertex_kind::numa_node, vertex_kind::host, vertex_kind::pcie_switch, vertex_kind::nvswitch})
      for (std::size_t v = 0; v < num_vertices(machine_) && meet.empty(); ++v)
        if (machine_[v].kind == kind) meet.push_back(v);
    if (meet.empty()) meet = machine_.device_vertices();
    auto const card = machine_.add(vertex_kind::nic, "network card");
    auto slot = part_of(default_link(path_kind::phb, unknown_gpu), 4);
    slot.bandwidth = std::max(rate_, slot.bandwidth);
    for (auto const v : meet) machine_.connect(card, v, slot);
    cards_.push_back(card);
  }

  graph machine_;
  gigabytes_per_second rate_;
  bool assumed_card_ = false;
  std::vector<graph::vertex_descriptor> cards_, moved_, moved_cards_;
};

}  // namespace detail

}  // namespace gpuplace::topology
